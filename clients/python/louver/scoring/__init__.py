"""Secret scorecards: a bank's points per feature and bin, encrypted to its own key, and what comes of them.

The one definition of these formats; the sandbox imports it. Encryption hides the points from the platform. Nothing
here protects a data subject: that an auditor has seen the points, and that the subject has authorised it, does.
"""
