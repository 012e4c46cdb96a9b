"""Proxies and certificates, from arguments, from the environment and for the command, over loopback."""

import asyncio
import base64
import datetime as dt
import ipaddress
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from xoxo_async import ClientCredentials, RateLimits, RetryPolicy, StaticToken, XoxoClient, __version__, errors
from xoxo_async.doctor.server import check_tls
from xoxo_async.network import Network, ssl_context
from xoxo_async.sandbox import Sandbox
from xoxo_async.transport.watching import look_at_tls

pytestmark = pytest.mark.anyio

HOST = "plum.example.com"
"""A name that nothing resolves, so that only a proxy leads there."""

_KEY_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)

BALANCE = b'{"data": {"getBalance": {"status": 1, "data": {"value": 5, "currency": "INR"}}}}'


@dataclass
class Authority:
    """A certificate authority that the system does not know, and a server certificate that it signed."""

    ca_file: Path
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("ca")
    now = dt.datetime.now(dt.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a company's proxy")])

    def builder(subject: x509.Name) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    ca = (
        builder(ca_name)
        .public_key(ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .add_extension(_KEY_USAGE, critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName(HOST), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]))
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Authority(folder / "ca.pem", context)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request. Return its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    _, _, length = head.lower().partition(b"content-length: ")
    await reader.readexactly(int(length.split(b"\r\n")[0]) if length else 0)
    return head


@asynccontextmanager
async def serving(talk: object, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve connections with `talk`. Yield the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            await talk(reader, writer)  # type: ignore[operator]
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Vendor:
    """Answers every request with a balance."""

    heads: list[bytes] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.heads.append(await read_request(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BALANCE), BALANCE))


@dataclass
class Proxy:
    """Tunnels every CONNECT, and forwards every plain request, to one port on this machine."""

    port: int
    status: int = 200
    heads: list[bytes] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self.status != 200:
            writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % self.status)
            return
        upstream, onward = await asyncio.open_connection("127.0.0.1", self.port)
        if head.startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            onward.write(head)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, onward), pump(upstream, writer))


def client(base_url: str, **settings: object) -> XoxoClient:
    return XoxoClient(
        StaticToken("TOKEN"),
        base_url=base_url,
        rate_limits=RateLimits.unlimited(),
        retry=RetryPolicy(attempts=1),
        **settings,  # type: ignore[arg-type]
    )


async def test_a_proxy_and_a_ca_file_work_together(authority: Authority) -> None:
    """The tunnel gets the proxy's password, the vendor does not, and TLS is checked to the end."""
    vendor = Vendor()
    async with serving(vendor.talk, authority.server) as port:
        proxy = Proxy(port)
        async with serving(proxy.talk) as proxy_port:
            context = ssl.create_default_context(cafile=str(authority.ca_file))
            settings = {"proxy": f"http://user:PASSWORD@127.0.0.1:{proxy_port}", "ssl": context, "app": "shop/1.2"}
            async with client(f"https://{HOST}/chef", **settings) as xoxo:
                for _ in range(2):
                    assert (await xoxo.account.get_balance()).value == 5
    (tunnel,) = proxy.heads
    assert tunnel.startswith(f"CONNECT {HOST}:443 ".encode())
    assert base64.b64encode(b"user:PASSWORD") in tunnel
    assert b"TOKEN" not in tunnel
    assert len(vendor.heads) == 2
    assert b"proxy-authorization" not in vendor.heads[0].lower()
    python = ".".join(map(str, sys.version_info[:3]))
    assert f"User-Agent: xoxo_async/{__version__} Python/{python} shop/1.2\r\n".encode() in vendor.heads[0]


async def test_a_look_at_tls_reads_the_certificate(authority: Authority) -> None:
    """Its issuer and its end; one that nobody trusts is named as such."""

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(talk, authority.server) as port:
        address = f"https://localhost:{port}/chef"
        found = await look_at_tls(address, ssl.create_default_context(cafile=str(authority.ca_file)), 5)
        assert (found.version, found.issuer) == ("TLSv1.3", "a company's proxy")
        assert (await check_tls(address, Network(ssl=ssl_context(str(authority.ca_file))))).status == "warn"
        with pytest.raises(errors.ConnectError, match="certificate of localhost is not trusted"):
            await look_at_tls(address, None, 5)


async def test_an_untrusted_certificate_is_a_connecterror(authority: Authority) -> None:
    """Nothing is sent, and the error names the reason."""
    vendor = Vendor()
    async with serving(vendor.talk, authority.server) as port:
        async with client(f"https://localhost:{port}") as xoxo:
            with pytest.raises(errors.ConnectError) as caught:
                await xoxo.account.get_balance()
    assert caught.value.effect == "none"
    assert not vendor.heads


@pytest.mark.parametrize("status", [407, 503])
async def test_a_refusing_proxy_is_a_connecterror(authority: Authority, status: int) -> None:
    """The error has the status and not the proxy's password, and it proves that nothing was sent."""
    proxy = Proxy(1, status=status)
    async with serving(proxy.talk) as proxy_port:
        async with client(f"https://{HOST}", proxy=f"http://user:PASSWORD@127.0.0.1:{proxy_port}") as xoxo:
            with pytest.raises(errors.ConnectError, match=f"proxy refused with HTTP {status}") as caught:
                await xoxo.orders.place(product_id=1001, denomination=100, po_number="A")
    assert caught.value.effect == "none"
    assert "PASSWORD" not in f"{caught.value} {caught.value!r} {xoxo!r}"


async def test_the_environments_proxy_is_followed_only_when_asked(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`trust_env` uses HTTPS_PROXY and NO_PROXY, but never for this machine."""
    vendor = Vendor()
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    async with serving(vendor.talk, authority.server) as port:
        proxy = Proxy(port)
        async with serving(proxy.talk) as proxy_port:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy_port}")
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            async with client(f"https://{HOST}", trust_env=True, ssl=context) as xoxo:
                await xoxo.account.get_balance()
            assert len(proxy.heads) == 1
            async with client(f"https://localhost:{port}", trust_env=True, ssl=context) as xoxo:
                await xoxo.account.get_balance()
            async with client(f"https://{HOST}", ssl=context) as xoxo:
                with pytest.raises(errors.ConnectError):
                    await xoxo.account.get_balance()
            monkeypatch.setenv("NO_PROXY", ".example.com")
            async with client(f"https://{HOST}", trust_env=True, ssl=context) as xoxo:
                with pytest.raises(errors.ConnectError):
                    await xoxo.account.get_balance()
    assert len(proxy.heads) == 1


async def test_token_and_call_go_through_the_proxy() -> None:
    """The proxy sees every request, also plain http to a loopback server."""
    async with Sandbox() as sandbox:
        proxy = Proxy(int(sandbox.base_url.rsplit(":", 1)[1].split("/")[0]))
        async with serving(proxy.talk) as port:
            credentials = ClientCredentials(sandbox.client_id, sandbox.client_secret)
            async with XoxoClient(credentials, base_url=sandbox.base_url, proxy=f"http://127.0.0.1:{port}") as xoxo:
                await xoxo.account.get_balance()
    assert proxy.heads
    assert all(head.startswith(b"POST http://127.0.0.1:") for head in proxy.heads)


def test_from_env_reads_proxy_and_ca(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """`from_env` reads XOXO_PROXY, XOXO_CA_FILE and XOXO_TRUST_ENV, and names the one that is not valid."""
    monkeypatch.setenv("XOXO_ACCESS_TOKEN", "TOKEN")
    for name, value in (("PROXY", "proxy.example.com:3128"), ("CA_FILE", "/nowhere/ca.pem"), ("TRUST_ENV", "perhaps")):
        with monkeypatch.context() as only:
            only.setenv(f"XOXO_{name}", value)
            with pytest.raises(errors.ConfigError, match=f"XOXO_{name}"):
                XoxoClient.from_env()
    monkeypatch.setenv("XOXO_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("XOXO_CA_FILE", str(authority.ca_file))
    monkeypatch.setenv("XOXO_TRUST_ENV", "1")
    xoxo = XoxoClient.from_env(app="shop")
    network = xoxo._session._http._network
    assert (network.proxy, network.trust_env, network.app) == ("http://proxy.example.com:3128", True, "shop")
    assert network.ssl is not None
    assert any("a company's proxy" in str(name) for ca in network.ssl.get_ca_certs() for name in ca["subject"])


async def test_the_command_uses_the_environments_proxy(authority: Authority) -> None:
    """`xoxo balance` works with XOXO_PROXY and XOXO_CA_FILE."""
    vendor = Vendor()
    async with serving(vendor.talk, authority.server) as port:
        proxy = Proxy(port)
        async with serving(proxy.talk) as proxy_port:
            variables = {
                "XOXO_BASE_URL": f"https://{HOST}/chef",
                "XOXO_ACCESS_TOKEN": "TOKEN",
                "XOXO_PROXY": f"http://127.0.0.1:{proxy_port}",
                "XOXO_CA_FILE": str(authority.ca_file),
            }
            run = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-m", "xoxo_async", "balance", "--json"],
                env=variables,
                capture_output=True,
                timeout=60,
                check=False,
            )
    assert (run.returncode, json.loads(run.stdout.splitlines()[-1])["currency"]) == (0, "INR"), run.stderr
    assert len(proxy.heads) == 1


@pytest.mark.parametrize(
    "setting",
    [{"proxy": "socks5://127.0.0.1:1"}, {"proxy": "PASSWORD@nowhere"}, {"ssl": False}, {"app": "a\nb"}, {"app": "é"}],
)
def test_an_invalid_network_setting_is_refused_early(setting: dict[str, object]) -> None:
    """The client refuses it when it is made, unchecked TLS too, and the text hides a proxy's password."""
    with pytest.raises(errors.ConfigError) as caught:
        client("https://localhost", **setting)
    assert "PASSWORD" not in str(caught.value)


async def test_network_settings_need_the_clients_own_session() -> None:
    """With a session of the caller's they would have no effect, so they are refused."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(errors.ConfigError, match="set them in the one you give"):
            client("https://localhost", session=session, proxy="http://127.0.0.1:1")
