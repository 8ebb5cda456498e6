"""An agent that tries to get around the gateway, with nothing but sockets, and prints what came of each try."""

import http.client
import json
import socket
import sys

HOST = "mcp.gmcp.internal"
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
SECRET = "ghp_" + "a1B2" * 9
found = {}


class Line:
    """Bare lines to a server: what the shim does, without the shim."""

    def __init__(self, name):
        self.socket = socket.create_connection((HOST, 80))
        self.socket.sendall(
            f"GET /{name} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: mcp-lines\r\n\r\n".encode()
        )
        self.file = self.socket.makefile("rb")
        while self.file.readline().strip():
            pass
        self.last = 0
        self.answers = {}
        self.ask("initialize", HELLO)
        self.tell("notifications/initialized")

    def send(self, data):
        self.socket.sendall(data + b"\n")

    def tell(self, method, params=None):
        self.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": params or {}}).encode())

    def begin(self, method, params):
        self.last += 1
        self.send(json.dumps({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}).encode())
        return self.last

    def hear(self, number):
        while number not in self.answers:
            message = json.loads(self.file.readline())
            if "method" not in message:
                self.answers[message["id"]] = message
        return self.answers.pop(number)

    def ask(self, method, params=None):
        return self.hear(self.begin(method, params or {}))

    def call(self, name, **arguments):
        return self.ask("tools/call", {"name": name, "arguments": arguments})


def post(path, message, session=None):
    connection = http.client.HTTPConnection(HOST, timeout=60)
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if session is not None:
        headers["mcp-session-id"] = session
    connection.request("POST", path, json.dumps(message), headers)
    answer = connection.getresponse()
    return answer.status, answer.headers["mcp-session-id"], answer.read().decode()


def say_hello(path):
    return post(path, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO})[1]


LIST = {"jsonrpc": "2.0", "id": 5, "method": "tools/list"}


def guards(line):
    found["listed"] = sorted(tool["name"] for tool in line.ask("tools/list")["result"]["tools"])
    found["skip the import"] = line.call("ungranted")
    try:
        with open("/run/gmcp-mcp/shim.py", "w") as file:
            file.write("")
        found["rewrite the shim"] = "written"
    except OSError as error:
        found["rewrite the shim"] = type(error).__name__
    # The guard's own code may lie in the view: whatever is changed of it here, here it judges nothing.
    try:
        from gmcp_sandbox.mcp.answers import Pass
        from gmcp_sandbox.mcp.governor import Governor

        async def allow(*_words):
            return Pass()

        for name in ("request", "result", "_mediate"):
            setattr(Governor, name, allow)
        found["patched"] = True
    except ImportError:
        found["patched"] = False
    found["monkey-patch the guard"] = line.call("ungranted")
    denied = line.call("ungranted")
    denied["result"] = denied.pop("error")  # "it was allowed": the server knows better
    found["mutate the returned value"] = json.loads(line.call("heard")["result"]["content"][0]["text"])["done"]


def descriptions(line):
    found["poisoned"] = line.call("poisoned")
    found["before the rug pull"] = line.call("friendly")
    line.call("turn")
    found["rug pull"] = line.call("friendly")
    found["listed after it"] = sorted(tool["name"] for tool in line.ask("tools/list")["result"]["tools"])
    found["shadowed"] = line.call("send_mail")


def arguments(line):
    found["secret"] = line.call("echo", text=f"the token is {SECRET}")
    found["traversal"] = line.call("echo", text="../../../../etc/shadow")
    found["confused"] = [line.call("double", a=value) for value in ("2", [2], {"a": 2}, None, 2.5)]
    found["extra"] = line.call("double", a=2, b=3)
    line.send(b'{"jsonrpc":"2.0","id":9001,"method":"tools/call","params":{"name":"echo","name":"ungranted"}}')
    found["doubled key"] = line.hear(9001)
    deep = b"[" * 20_000 + b"]" * 20_000
    line.send(
        b'{"jsonrpc":"2.0","id":9002,"method":"tools/call","params":{"name":"echo","arguments":{"text":' + deep + b"}}}"
    )
    line.send(b"x" * 9_000_000)
    line.send(
        b'{"jsonrpc":"2.0","id":9003,"method":"tools/call","params":{"name":"echo","arguments":'
        + b'{"a":' * 80
        + b"1"
        + b"}" * 80
        + b"}}"
    )
    found["after oversized and nested"] = line.call("double", a=21)


def sessions():
    mine = say_hello("/hostile")
    found["own session"] = post("/hostile", LIST, mine)[0]
    found["session of another server"] = post("/mail", LIST, mine)[0]
    found["invented session"] = post("/hostile", LIST, "x" * 32)[0]
    connection = http.client.HTTPConnection(HOST, timeout=60)
    connection.request("DELETE", "/hostile", headers={"mcp-session-id": mine})
    found["deleted"] = connection.getresponse().status
    found["replayed session"] = post("/hostile", LIST, mine)[0]
    if sys.argv[1:]:
        port, session, token = sys.argv[1:]
        found["session of another gateway"] = post("/hostile", LIST, session)[0]
        reached: list = []
        for host in ("127.0.0.1", "host.gmcp.internal"):
            try:
                other = http.client.HTTPConnection(host, int(port), timeout=5)
                other.request("POST", "/hostile", json.dumps(LIST), {"authorization": token})
                reached.append(other.getresponse().status)
            except OSError as error:
                reached.append(type(error).__name__)
        found["another gateway"] = reached


def words(line):
    number = line.begin("tools/call", {"name": "hang", "arguments": {}, "_meta": {"progressToken": "token-4711"}})
    while '"hang"' not in line.call("heard")["result"]["content"][0]["text"]:
        pass  # cancelled before it is passed on, it would never come there
    line.tell("notifications/cancelled", {"requestId": number, "reason": "reason-4711"})
    line.tell("notifications/progress", {"progressToken": "other-4711", "progress": 1, "message": "progress-4711"})
    line.tell("notifications/initialized", {"_meta": {"x": "initialized-4711"}})
    found["ping"] = line.ask("ping", {"x": "ping-4711"})
    found["cursor"] = line.ask("tools/list", {"cursor": "cursor-4711"})
    found["heard"] = line.call("heard")["result"]["content"][0]["text"]


def harm():
    """Each harms its own call; another session of the same server goes on meanwhile."""
    calm = Line("hostile")
    for name in ("broken", "huge", "flood", "crash", "hang"):
        line = Line("hostile")
        number = line.begin("tools/call", {"name": name, "arguments": {}})
        beside = calm.call("double", a=4)
        mine = line.hear(number)
        found[name] = {"own": mine, "beside": beside, "after": line.call("double", a=5)}
        line.socket.close()


def main():
    line = Line("hostile")
    guards(line)
    arguments(line)
    words(line)
    descriptions(line)
    sessions()
    harm()
    found["page"] = Line("hostile").call("page")
    print(json.dumps(found))


main()
