"""A mail server on loopback: STARTTLS and AUTH are needed, each mail becomes a file.

mail_server.py PYTHON_FOLDER CERTIFICATE KEY USER PASSWORD OUT_FOLDER
Prints its port once it listens.
"""
import asyncio
import ssl
import sys

sys.path.insert(0, sys.argv[1])
from aiosmtpd.smtp import SMTP, AuthResult  # noqa: E402

certificate, key, user, password, out = sys.argv[2:7]


def authenticate(server, session, envelope, mechanism, data):
    known = (data.login, data.password) == (user.encode(), password.encode())
    return AuthResult(success=known, handled=False)


class Keep:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        Keep.count += 1
        head = f"X-From: {envelope.mail_from}\nX-To: {' '.join(envelope.rcpt_tos)}\nX-Tls: {session.ssl is not None}\n"
        name = f"{out}/{Keep.count:04}"
        with open(name + ".part", "wb") as file:
            file.write(head.encode() + envelope.content)
        import os

        os.rename(name + ".part", name + ".eml")
        return "250 OK"


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    def session():
        return SMTP(
            Keep(),
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            auth_require_tls=True,
            authenticator=authenticate,
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
