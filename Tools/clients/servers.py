"""Tools/clients/servers.py — servers for a client to run against: a private PostgreSQL 15, or a cluster of the programs in TALLY_BIN.

Each has a directory and ports of its own, and is gone after `stop`. With `Secured` they ask for a password and offer TLS.
"""
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
POSTGRES = "/usr/lib/postgresql/15/bin"


def command(*arguments, **options):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def free_port(first=1):
    """A port with nobody on it and on so many after it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = 11000 + probe.getsockname()[1] % 18000
        try:
            for offset in (0, 32, 100, 101):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port + offset))
            return port
        except OSError:
            continue


class Secured:
    """What a server needs that asks for a password and offers TLS: a user, a certificate of its own, and what PostgreSQL lacks."""
    user, password, database = "app", "correct horse", "shop"
    # Tally's functions that programs call, which have nothing to do there.
    prelude = ("CREATE FUNCTION create_distributed_table(regclass, text) RETURNS void LANGUAGE sql AS $$$$")

    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="tally-clients-")
        os.chmod(self.place, 0o755)
        self.certificate, self.key, self.passwords = (f"{self.place}/{name}" for name in ("certificate", "key", "passwords"))
        command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate)

    def for_postgres(self):
        # Another user copies the key into PostgreSQL's directory.
        os.chmod(self.key, 0o644)
        return self

    def for_tally(self):
        os.chmod(self.key, 0o600)
        tally = os.path.join(os.environ.get("TALLY_BIN", os.path.join(ROOT, ".build/debug")), "tally")
        if not os.path.exists(self.passwords):
            subprocess.run([tally, "password", self.user, "--file", self.passwords], input=self.password + "\n", text=True, check=True,
                           stdout=subprocess.DEVNULL)
        return self

    def remove(self):
        shutil.rmtree(self.place, ignore_errors=True)


class PostgresServer:
    host, user, database = "127.0.0.1", "postgres", "postgres"

    def __init__(self, secured=None):
        self.place, self.port = tempfile.mkdtemp(prefix="tally-clients-"), free_port()
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.place, owner.pw_uid, owner.pw_gid)
        self.program("initdb", "-D", self.place + "/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C")
        settings = (f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.place} -c fsync=off"
                    " -c timezone=UTC -c max_prepared_transactions=10")
        if secured:
            self.user, self.database = secured.user, secured.database
            for name in ("certificate", "key"):
                self.program("cp", getattr(secured, name), f"{self.place}/{name}", path="")
            self.program("chmod", "600", self.place + "/key", path="")
            settings += f" -c ssl=on -c ssl_cert_file={self.place}/certificate -c ssl_key_file={self.place}/key"
        self.program("pg_ctl", "-D", self.place + "/data", "-w", "-l", self.place + "/log", "-o", settings, "start")
        if secured:
            arguments = ["-q", "-h", self.place, "-p", str(self.port), "-U", "postgres"]
            self.program("psql", *arguments, "-c", f"CREATE ROLE {self.user} LOGIN SUPERUSER PASSWORD '{secured.password}'", "-c",
                         f"CREATE DATABASE {self.database} OWNER {self.user} TEMPLATE template0")
            self.program("psql", *arguments, "-d", self.database, "-c", secured.prelude)
            self.program("sed", "-i", "/^host/s/trust/scram-sha-256/", self.place + "/data/pg_hba.conf", path="")
            self.program("pg_ctl", "-D", self.place + "/data", "reload")

    def program(self, name, *arguments, path=POSTGRES + "/"):
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        # A server keeps what it inherits: a pipe would never end.
        with open(self.place + ".out", "a") as out:
            done = subprocess.run([*prefix, path + name, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        if done.returncode != 0:
            sys.exit(f"{name} failed: see {self.place}.out")

    def stop(self):
        self.program("pg_ctl", "-D", self.place + "/data", "-m", "immediate", "stop")
        shutil.rmtree(self.place)
        os.unlink(self.place + ".out")


class TallyServer:
    host, user = "127.0.0.1", "postgres"

    # pg8000 connects to the database of the user's name whatever it is told.
    database = os.environ.get("TALLY_DATABASE", "postgres")

    def __init__(self, secured=None):
        settings = {}
        if secured:
            self.user, self.database = secured.user, secured.database
            settings = {"TALLY_PASSWORDS": secured.passwords, "TALLY_SQL_CERTIFICATE": secured.certificate, "TALLY_SQL_KEY": secured.key}
        self.tally = os.path.join(os.environ.get("TALLY_BIN", os.path.join(ROOT, ".build/debug")), "tally")
        self.place, base = tempfile.mkdtemp(prefix="tally-clients-"), free_port()
        self.port = base + 32
        with open(self.place + ".out", "w") as out:
            done = subprocess.run([self.tally, "cluster", "up", "--workers", "2", "--dir", self.place + "/data", "--port-base", str(base)],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ | {"TALLY_DATABASE": self.database} | settings)
        if done.returncode != 0:
            sys.exit(f"tally cluster up failed: see {self.place}.out")

    def stop(self):
        command(self.tally, "cluster", "destroy", "--dir", self.place + "/data")
        shutil.rmtree(self.place, ignore_errors=True)
        os.unlink(self.place + ".out")
