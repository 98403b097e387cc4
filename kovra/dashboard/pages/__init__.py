"""One module per page.

``servers``  the server picker and the front page
``cases``    the case browser: table, rows, side sheet
``act``      the action dialog, what comes of a submit, and the toasts
``looks``    the theme
"""
