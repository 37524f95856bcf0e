"""Private matching: the institution's side of the verb `match`.

Ids leave this machine blinded only (RFC 9497, verifiable mode). What a list says of them comes sealed under tokens
that nobody but the holder of the ids can finish.
"""
