"""The relational algebra under the policy: typed, frozen, and ours.

A bound query is a tree of these relations and expressions. Rights, treatment, privacy units and the SQL that
runs are all read off this tree; nobody looks at the text of the query again.
"""
