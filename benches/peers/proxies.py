"""The programs that are measured: their ports, and how they are started and stopped."""
import json, os, pathlib, re, shutil, signal, socket, subprocess, sys, time, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GATEWAY = ROOT / "target/release/examples/gateway"
PGO = ROOT / "target/pgo/gateway"
RUST = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "rust/target")) / "release"
SECRET = "0123456789abcdef0123456789abcdef"
PORTS = dict(one=19001, two=19002, gateway=19010, twin=19011, nginx_weight=19020, nginx_split=19021, haproxy=19030, caddy=19040)
PORTS |= dict(grpc_one=19003, grpc_two=19004, nginx_http2=19022, haproxy_http2=19032, envoy_http2=19072)
PORTS |= dict(pgo=19012, tls=19013, twin_tls=19014, pgo_tls=19015, nginx_tls=19023, haproxy_tls=19033)
PORTS |= {"pingora": 19050, "axum-reverse-proxy": 19060, "envoy": 19070, "traefik": 19080}
# The port for HTTP/2 and gRPC of each proxy that is measured with them.
HTTP2 = {"gateway": "gateway", "gateway (again)": "twin", "gateway, PGO": "pgo", "nginx weight": "nginx_http2", "haproxy": "haproxy_http2", "envoy": "envoy_http2"}
# The same for TLS.
TLS = {"gateway": "tls", "gateway (again)": "twin_tls", "gateway, PGO": "pgo_tls", "nginx weight": "nginx_tls", "haproxy": "haproxy_tls"}
PROXY_CORE, LOAD_CORE = "0", "1"


def on(core, command, **options):
    return subprocess.Popen(["taskset", "-c", core, *map(str, command)], **options)


def until_open(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def rust_peers():
    return [name for name in ("pingora", "axum-reverse-proxy") if (RUST / f"{name}-peer").exists()]


class Proxies:
    """The running programs by name: the process and the port for requests."""

    def __init__(self, directory):
        self.dir, self.running, self.started = directory, {}, []
        # An empty message of gRPC, not compressed, and a stream of 64 messages of 1 KiB.
        self.message, self.stream = directory / "grpc/message", directory / "grpc/stream"

    def configured(self, template):
        text = (HERE / template).read_text()
        for name, value in {"dir": self.dir, "kib": "x" * 1024, **PORTS}.items():
            text = text.replace(f"@{name}@", str(value))
        path = self.dir / template
        path.write_text(text)
        return path

    def start(self, core, command, ports, **options):
        process = on(core, command, stderr=subprocess.DEVNULL, **options)
        self.started.append(process)
        for name, port in ports.items():
            if options.get("stdout") == subprocess.DEVNULL:
                until_open(port)
            self.running[name] = (process, port)
        return process

    def stop(self):
        for process in self.started:
            process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def start_backends(self):
        quiet = dict(stdout=subprocess.DEVNULL)
        self.message.parent.mkdir()
        self.message.write_bytes(bytes(5))
        self.stream.write_bytes(64 * (bytes(1) + (1024).to_bytes(4) + bytes(1024)))
        self.start(LOAD_CORE, ["nginx", "-c", self.configured("backend.conf")], {"direct": PORTS["one"]}, **quiet)

    def start_peers(self):
        quiet = dict(stdout=subprocess.DEVNULL)
        if shutil.which("nginx"):
            ports = {"nginx weight": PORTS["nginx_weight"], "nginx split_clients": PORTS["nginx_split"]}
            self.start(PROXY_CORE, ["nginx", "-c", self.configured("nginx.conf")], ports, **quiet)
        if shutil.which("haproxy"):
            self.start(PROXY_CORE, ["haproxy", "-f", self.configured("haproxy.cfg")], {"haproxy": PORTS["haproxy"]}, **quiet)
        if shutil.which("caddy"):
            caddy = ["caddy", "run", "--config", self.configured("Caddyfile"), "--adapter", "caddyfile"]
            self.start(PROXY_CORE, caddy, {"caddy": PORTS["caddy"]}, env={**os.environ, "GOMAXPROCS": "1", "HOME": str(self.dir)}, **quiet)
        if shutil.which("envoy"):
            envoy = ["envoy", "-c", self.configured("envoy.yaml"), "--concurrency", 1, "--disable-hot-restart", "-l", "off"]
            self.start(PROXY_CORE, envoy, {"envoy": PORTS["envoy"]}, **quiet)
        if shutil.which("traefik"):
            self.configured("traefik-dynamic.yaml")
            traefik = ["traefik", f"--configFile={self.configured('traefik.yaml')}"]
            self.start(PROXY_CORE, traefik, {"traefik": PORTS["traefik"]}, env={**os.environ, "GOMAXPROCS": "1"}, **quiet)
        for name in rust_peers():
            ports = (PORTS[port] for port in (name, "one", "two"))
            self.start(PROXY_CORE, [RUST / f"{name}-peer", *ports], {name: PORTS[name]}, **quiet)

    def launch_gateway(self, name, port, options=(), program=GATEWAY):
        """Starts the gateway with one thread. Returns the variables that it prints for a shell."""
        database = f"sqlite://{self.dir}/{name}.db?mode=rwc"
        fixed = ["--no-demo", "--print-token", "--threads", 1, "--seed", 1, "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"]
        command = [program, *fixed, "--database", database, "--jwt-secret", SECRET, *options]
        process = self.start(PROXY_CORE, command, {name: port}, stdout=subprocess.PIPE, text=True)
        return dict(re.findall(r"export (\w+)=(\S+)", "".join(iter(process.stdout.readline, "\n"))))

    def start_gateway(self, name, port, options=(), program=GATEWAY):
        """Starts the gateway and sets 90/10 with its admin API."""
        exported = self.launch_gateway(name, port, options, program)
        for service, prefix in (("bench", ""), ("grpc", "grpc_")):
            for version in ("one", "two"):
                body = {"version": version, "url": f"http://127.0.0.1:{PORTS[prefix + version]}"}
                call(exported, "POST", f"/routing/services/{service}/versions?force=true", body)
            call(exported, "PUT", f"/deployment/services/{service}/versions/two/weight?force=true", {"weight": 10})


def call(exported, method, path, body):
    """Calls the admin API of the gateway that printed these variables."""
    headers = {"authorization": f"Bearer {exported['TOKEN']}", "content-type": "application/json"}
    request = urllib.request.Request(exported["ADMIN"] + path, json.dumps(body).encode(), headers, method=method)
    urllib.request.urlopen(request, timeout=10).read()


def start_gateways(proxies, certificate, options):
    """Starts the gateways: each one twice, and one by TLS, which it has on a process of its own."""
    programs = {"gateway": options.gateway, "gateway (again)": options.gateway, "gateway, PGO": options.pgo}
    if options.alone:
        del programs["gateway (again)"]
    for name, program in programs.items():
        if program.exists():
            proxies.start_gateway(name, PORTS[HTTP2[name]], program=program)
            if options.tls:
                proxies.start_gateway(TLS[name], PORTS[TLS[name]], certificate, program)
