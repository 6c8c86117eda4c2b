"""Flag evaluation over HTTP by the OpenFeature Remote Evaluation Protocol (OFREP), for applications in any language.

From flags to answers: `sources` (a client of a remote, or a folder that is being edited), `served` (one state of the flags, as
bytes of answers), `answers` (the protocol's bodies), `stream` (who wants to hear of changes), `endpoints`, `app`.
"""
