"""Private matching: the key of the oblivious function, the sets made with it, and what a match is charged."""
