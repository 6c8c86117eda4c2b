"""`flagctl ui`: the flag repository in a browser.

Pages look at the repository through `Desk`, change it through the draft that the command line uses, and never write a file that
was not shown as a difference first. From the outside in: `flagctl.server.web`, `guard` (who may ask), `app` (which page), and the
pages; `rendering` makes HTML of templates, in which every text is escaped.
"""
