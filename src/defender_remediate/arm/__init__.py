"""Sends requests to Azure Resource Manager. The only package that uses HTTP.

- ``session``: ``ArmSession`` sends every request: reads with retries (``read_retry``), writes exactly once. ``reader`` is its part that reads.
- ``pipeline``, ``transport``, ``requests_session``, ``credential``, ``cloud``, ``urls``: what a request passes through, and where it goes.
- ``rate_limiter``, ``token_bucket``, ``write_permit``, ``deadline``, ``clock``: when a request may be sent, and how long a call may take.
- ``response``, ``paging``, ``bodies``, ``errors``, ``busy``, ``hints``: what an answer means.
- ``operations``, ``operation_pace``: how a long-running operation is waited for.
- ``deployments``, ``providers``: deployments with their what-if, and resource providers with their api-versions.
- ``tracing``: spans and metrics of OpenTelemetry.
"""
