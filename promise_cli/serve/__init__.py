"""The command promise-serve: take clicks from a browser and from viewers over HTTP, and answer with masks.

`command` starts the server. `service` holds what all clients share: the networks, the scans, the clients' sessions and
the thread that computes. `page_api`, `nninteractive`, `slicer` and `itksnap` translate four protocols, and `app` puts
them on one port. This file imports nothing, because starlette belongs to an extra.
"""
