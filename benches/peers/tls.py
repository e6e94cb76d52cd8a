"""The certificate of the proxies, and the ciphers of the load generators."""
import os, subprocess, sys, tempfile

# What the load generators offer, so that all proxies use the same. wrk and h2load have no option for it.
OPENSSL = """openssl_conf = all
[all]
ssl_conf = modules
[modules]
system_default = client
[client]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""


def prepare(directory):
    """Creates a certificate. Returns the options of the gateway for it."""
    (directory / "openssl.cnf").write_text(OPENSSL)
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    # HAProxy reads both from one file.
    (directory / "both.pem").write_text(certificate.read_text() + key.read_text())
    return ["--tls-cert", certificate, "--tls-key", key]


def environment(directory):
    """Returns the variables of a load generator."""
    return {**os.environ, "OPENSSL_CONF": str(directory / "openssl.cnf")}


def check(port, env):
    """Ends the run unless a connection has the version and the ciphers of all others, and a second one resumes its session."""
    with tempfile.NamedTemporaryFile() as session:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-ign_eof"]
        request = "GET /bench/small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        talk = lambda *more: subprocess.run([*command, *more], input=request, capture_output=True, text=True, env=env, timeout=10).stdout
        first, second = talk("-sess_out", session.name), talk("-sess_in", session.name)
    wanted = "TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"
    if f"New, {wanted}" not in first or f"Reused, {wanted}" not in second:
        sys.exit(f"port {port} has other ciphers, or resumes no session:\n{second}")
