# SPDX-License-Identifier: Apache-2.0
"""TLS as the settings want it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from streamer.errors import DeliveryError

if TYPE_CHECKING:
    from streamer.config import KafkaSettings


def tls_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """What SSL and SASL_SSL need; None for the other protocols."""
    if settings.security_protocol not in ("SSL", "SASL_SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile)
    except (ssl.SSLError, OSError) as error:
        raise DeliveryError(
            f"kafka.ssl_cafile {settings.ssl_cafile} can't be used: {error}",
            hint="it must hold certificates as PEM",
        ) from error
    if settings.ssl_certfile is not None:
        password = settings.ssl_key_password
        # Without a password OpenSSL would ask for one on the terminal.
        answer = password.get_secret_value() if password else ""
        try:
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, answer)
        except (ssl.SSLError, OSError) as error:
            raise DeliveryError(
                f"kafka.ssl_certfile {settings.ssl_certfile} and its key can't be used: {error}",
                hint="both must be PEM, belong together, and kafka.ssl_key_password open the key",
            ) from error
    return context
