"""Whether a service is what this package takes it for: small requests, and what they show.

What is taken for granted, and on what evidence, is in ``docs/service.md``.
"""
