"""One module per page.

``servers``  the server picker
``overview`` the front page of a server: key numbers, charts, Guard's health, what waits for somebody
``cases``    the case browser: table, rows, side sheet
``members``  the list of members; ``bans`` who is banned; ``profile`` one person
``views``    the views of the case list that people keep
``case_acts`` what is done with a case: amend, comment, resend the DM, take back, void
``case_many`` the same with all the cases that are ticked
``reversal`` what a mass action or somebody's last minutes did, taken back
``act``      the action dialog, what comes of a submit, and the toasts
``palette``  the command palette
``audit``    the audit log and its verification
``message_tests`` whether a log post or a notice arrives
``looks``    the theme
"""
