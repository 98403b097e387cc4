"""The dashboard: a door for people with a browser. The only home of Flask and marshmallow.

``site``      builds the Flask application from plain constructor arguments; security headers; health
``services``  what the pages are given
``login``     sign-in with Discord, sessions in Postgres, sign-out
``access``    the policy of every route, the scope of every query, and what a forged form meets
``schemas``   what a form may hold; unknown fields are refused
``problems``  what went wrong, as a page or as a fragment, in words that say what to do
``live``      the stream of server-sent events; ``streams`` counts and ends them
``wording``   how names, actions, times and results read on a page
``trace``     the steps of one action as the side sheet draws them
``head_first`` the head of a page, sent before the page is drawn
``shell``     the frame around a server's pages: navigation, who one is, the keys that work
``audit_words`` how an entry of the record reads
``charts``    where bars, lines and labels stand; templates draw them
``queue_words`` how the Action Queue reads: dead letters, latency
``case_sheet`` the side sheet of one case; ``evidence`` the message it stands on; ``case_draft`` the dialogs about it,
              ``many`` those about all that are ticked
``draft``     the action dialog as far as it is filled in; ``act_choices`` what it offers
``toast``     one request from queued to its end
``job_words`` how a mass action reads: its pace, and why some of it came to nothing
``addresses`` the addresses of rows, built once for a page
``drawn_lines`` the lines of the lists of cases, members and bans, each drawn once
``settings_words`` how settings read: budgets, a notice as its reader sees it
``settings_form`` what the sections of settings do alike
``assets``    static files under an address that changes with their content; ``bundle`` joins styles and scripts
``pages/``    one module per page: servers, cases, act (dialog, requests, toasts), looks (theme)

A page is complete HTML; what changes later is fetched again as a fragment with its reader's own rights. No page
writes a case: the action dialog builds an ``ActionRequest`` and calls ``submit``, as every other door does.
"""
