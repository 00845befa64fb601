"""Where the server may listen: addresses, taken ports, and the refusal of an open remote bind."""

from __future__ import annotations

import errno
import ipaddress
import socket

from longpole.model.problem import LongpoleError


class InvalidAddress(LongpoleError):
    """A text that is no `host:port`."""


class AddressInUse(LongpoleError):
    """Another process listens there; the message names the address and the flag."""


class OpenRemoteBind(LongpoleError):
    """An address other machines can reach, without a token."""


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[ipv6]:port` as (host, port). Raises `InvalidAddress`."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise InvalidAddress(
            f"{address[:100]!r} is not an address: expected host:port such as 127.0.0.1:4317"
        )
    return host, int(port)


def join_address(host: str, port: int) -> str:
    """The inverse of `split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host: 127.0.0.0/8, ::1 and `localhost`."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def check_bind(address: str, has_token: bool, allow_remote: bool) -> None:
    """Refuse to listen where other machines can reach an unprotected port.

    Raises `OpenRemoteBind` unless the host is loopback, a token is asked of every request,
    or the person said that they mean it.
    """
    host, _ = split_address(address)
    if is_loopback(host) or has_token or allow_remote:
        return
    raise OpenRemoteBind(
        f"refusing to listen on {address} without authentication: give --auth-token-file, "
        "or --insecure-allow-remote if everybody who reaches it may read and write"
    )


def listen(address: str, flag: str) -> socket.socket:
    """A listening, non-blocking TCP socket. Raises `AddressInUse`, `InvalidAddress`."""
    host, port = split_address(address)
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise InvalidAddress(f"{address} ({flag}): {error.strerror}") from error
    bound = socket.socket(family, kind, protocol)
    try:
        # A port in TIME_WAIT after a restart is free; a port somebody listens on is not.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(target)
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise bind_failed(address, flag, error) from error
    bound.setblocking(False)
    return bound


def bind_failed(address: str, flag: str, error: OSError) -> LongpoleError:
    """The exception that tells a person why the address cannot be had."""
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"{address} is already in use by another process: stop it, or choose another "
            f"address with {flag}"
        )
    return InvalidAddress(f"cannot listen on {address} ({flag}): {error.strerror or error}")
