"""An SMTP server for tests: the library aiosmtpd, and recipients whose names say what happens to a message.

usage: smtp_server.py PORT FOLDER none|starttls|implicit [CERTIFICATE KEY [USER PASSWORD]]

Each message that is taken becomes a file NUMBER.json in FOLDER. The port is printed once it listens.
"""

import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

port, folder, security = int(sys.argv[1]), sys.argv[2], sys.argv[3]
certificate, key = sys.argv[4:6] if len(sys.argv) > 5 else (None, None)
user, password = sys.argv[6:8] if len(sys.argv) > 7 else (None, None)
times = {}


def seen(word, address):
    """How often this came before, over restarts too."""
    path = os.path.join(folder, "seen-" + word + "-" + address)
    with open(path, "a+") as file:
        file.write(".")
        file.flush()
        return file.tell() - 1


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name.startswith("nobody"):
            return "550 5.1.1 there is nobody of that name"
        if name.startswith("busy") and seen("busy", address) < 2:
            return "451 4.3.2 come back later"
        if name.startswith("always-busy"):
            return "450 4.2.1 not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        names = [address.split("@")[0] for address in envelope.rcpt_tos]
        if any(name.startswith("picky") for name in names):
            return "554 5.7.1 we do not like what it says"
        if any(name.startswith("cut-after") for name in names):
            self.take(server, session, envelope)
            if seen("cut", envelope.rcpt_tos[0]) == 0:
                server.transport.abort()
                await asyncio.sleep(3600)
            return "250 OK"
        self.take(server, session, envelope)
        return "250 OK"

    def take(self, server, session, envelope):
        number = len([name for name in os.listdir(folder) if name.endswith(".json")])
        path = os.path.join(folder, "%03d.json" % number)
        with open(path + ".new", "w") as file:
            json.dump(
                {
                    "from": envelope.mail_from,
                    "to": envelope.rcpt_tos,
                    "content": envelope.content.decode("utf-8", "replace"),
                    "tls": server.transport.get_extra_info("ssl_object") is not None,
                    "user": getattr(session.auth_data, "login", b"").decode() if session.auth_data else None,
                    "peer": session.peer[1],
                },
                file,
            )
        os.rename(path + ".new", path)


class Server(SMTP):
    async def smtp_DATA(self, arg):
        if any(a.startswith("cut-in") for a in self.envelope.rcpt_tos) and seen("cut", self.envelope.rcpt_tos[0]) == 0:
            await self.push("354 go on")
            await self._reader.readline()
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


def authenticate(server, session, envelope, mechanism, data):
    right = data.login == (user or "").encode() and data.password == (password or "").encode()
    return AuthResult(success=right, auth_data=data)


async def main():
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)

    def make():
        return Server(
            Handler(),
            hostname="localhost",
            tls_context=context if security == "starttls" else None,
            require_starttls=security == "starttls",
            authenticator=authenticate if user else None,
            auth_required=user is not None,
            auth_require_tls=False,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", port, ssl=context if security == "implicit" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
