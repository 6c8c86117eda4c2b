"""Pieces that every HTTP server of flagctl is put together from; none of them knows what is served.

From the outside in: `requests` (ids, access log, what is left of a bug), `headers` (security headers, host names), CORS,
`limits` (requests at once, rate for each token), `tokens` and `access` (who may ask), and the application. `bodies` reads
requests, `problems` answers the ones that went wrong, `serving` runs it all and ends it without losing a request.
"""
