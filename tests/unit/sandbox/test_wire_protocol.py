"""What no driver sends on request: raw packets against the fake server."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from runbook.sandbox.contract import SqlType
from runbook.sandbox.wire import framing, login, tokens
from runbook.sandbox.wire.collation import DEFAULT
from runbook.sandbox.wire.encode import codec
from runbook.sandbox.wire.framing import Message, MessageReader, MessageWriter
from tests.unit.sandbox.test_wire_fake import FakeServer, port, serving

__all__ = ["port"]
HEADERS = struct.pack("<IIHQI", 22, 18, 2, 0, 1)


@dataclass
class Client:
    """A few lines of a TDS client."""

    sock: socket.socket

    def __post_init__(self) -> None:
        self.sock.settimeout(5)
        self.reader = MessageReader(lambda: self.sock.recv(65536), frozenset({framing.REPLY}))

    def send(self, kind: int, payload: bytes, status: int = framing.EOM) -> None:
        packet = framing.HEADER.pack(kind, status, len(payload) + 8, 0, 1, 0)
        self.sock.sendall(packet + payload)

    def ask(self, kind: int, payload: bytes, status: int = framing.EOM) -> bytes:
        self.send(kind, payload, status)
        return self.reader.read().payload

    def batch(self, sql: str, status: int = framing.EOM) -> bytes:
        return self.ask(framing.SQL_BATCH, HEADERS + sql.encode("utf-16-le"), status)

    def log_in(
        self, user: str = "plain", version: int = login.TDS_7_4, packet_size: int = 512, flags2: int = 0
    ) -> bytes:
        self.ask(framing.PRELOGIN, b"\xff")
        return self.ask(framing.LOGIN7, login_packet(user, version, packet_size, flags2))


def login_packet(user: str, version: int, packet_size: int, flags2: int) -> bytes:
    password = bytes(((b << 4 | b >> 4) & 0xFF) ^ 0xA5 for b in user.encode("utf-16-le"))
    head = struct.pack("<IIIIIIBBBBiI", 0, version, packet_size, 0, 0, 0, 0, flags2, 0, 0, 0, 0)
    fields = [b"", user.encode("utf-16-le"), password, *[b""] * 6]
    offset, spans = 94, b""
    for data in fields:
        spans += struct.pack("<HH", offset, len(data) // 2)
        offset += len(data)
    packet = head + spans + b"\x00" * (94 - len(head) - len(spans)) + b"".join(fields)
    return struct.pack("<I", len(packet)) + packet[4:]


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    """A client before its login."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        yield Client(sock)


@pytest.fixture
def session(client: Client) -> Client:
    """A client after its login, with the smallest packets."""
    client.log_in()
    return client


def last_done(answer: bytes) -> tuple[int, int]:
    """Token and status of the DONE at the end of an answer."""
    token, status, _, _ = struct.unpack("<BHHQ", answer[-13:])
    return token, status


def test_login_acknowledges_the_version(client: Client) -> None:
    """LOGINACK names TDS 7.4 and the product version; the packet size asked for is granted."""
    answer = client.log_in()
    assert b"\x74\x00\x00\x04" in answer
    assert struct.pack(">BBH", *FakeServer.program_version) in answer
    assert tokens.env_text(tokens.ENV_PACKET_SIZE, "512", "4096") in answer
    assert last_done(answer) == (tokens.DONE, tokens.FINAL)


def test_older_version_within_reason(client: Client) -> None:
    """TDS 7.2 is answered as 7.2."""
    assert b"\x72\x09\x00\x02" in client.log_in(version=login.TDS_7_2)


@pytest.mark.parametrize(
    ("change", "number"), [({"version": 0x71000001}, 50999), ({"flags2": 0x80}, 18452), ({"user": "joe"}, 18456)]
)
def test_logins_refused(client: Client, change: dict[str, int], number: int) -> None:
    """Each refusal has its number, then the connection ends."""
    answer = client.log_in(**change)  # type: ignore[arg-type]
    assert answer[0] == tokens.ERROR
    assert struct.unpack_from("<i", answer, 3) == (number,)
    assert client.sock.recv(1) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xf8\x01\x00",
        b"\x00" * 64,
        b"\x12\x01\x00\x04\x00\x00\x00\x00",
        framing.HEADER.pack(framing.SQL_BATCH, 1, 12, 0, 1, 0) + b"abcd",
        framing.HEADER.pack(framing.LOGIN7, 1, 20, 0, 1, 0) + b"\x00" * 12,
        framing.HEADER.pack(framing.LOGIN7, 1, 128, 0, 1, 0) + b"\xff" * 120,
    ],
    ids=["http", "tls", "zeros", "short", "no-login", "short-login", "wild-login"],
)
def test_what_is_no_tds_is_cut(client: Client, data: bytes) -> None:
    """A stranger is let go without harm."""
    client.sock.sendall(data)
    client.sock.shutdown(socket.SHUT_WR)
    while client.sock.recv(4096):
        pass


def test_answer_in_packets_of_the_granted_size(session: Client) -> None:
    """No packet is larger than granted; they are numbered and only the last ends the message."""
    session.send(framing.SQL_BATCH, HEADERS + "rows 100".encode("utf-16-le"))
    numbers, last = [], False
    while not last:
        header = session.sock.recv(8, socket.MSG_WAITALL)
        kind, status, size, _, number, _ = framing.HEADER.unpack(header)
        session.sock.recv(size - 8, socket.MSG_WAITALL)
        assert (kind, size <= 512) == (framing.REPLY, True)
        numbers.append(number)
        last = bool(status & framing.EOM)
    assert numbers == [(n + 1) & 0xFF for n in range(len(numbers))]
    assert len(numbers) > 10


def test_request_in_many_packets(session: Client) -> None:
    """A message may come in pieces of any size."""
    payload = HEADERS + ("print " + "x" * 1000).encode("utf-16-le")
    writer = MessageWriter(session.sock.sendall, framing.SQL_BATCH)
    writer.packet_size = 64
    writer.write(payload, last=True)
    assert ("x" * 1000).encode("utf-16-le") in session.reader.read().payload


def test_session_number_in_every_packet(session: Client) -> None:
    """Packets carry the session's number."""
    spid = session.batch("ask spid").rpartition(b"\xd1")[2]
    session.send(framing.SQL_BATCH, HEADERS + "select 1".encode("utf-16-le"))
    number = framing.HEADER.unpack(session.sock.recv(8))[3]
    assert str(number).encode("utf-16-le") in spid


def test_attention_between_requests(session: Client) -> None:
    """An attention when nothing runs gets one DONE with its bit, nothing else."""
    assert session.ask(framing.ATTENTION, b"") == tokens.done(tokens.DONE, tokens.ATTENTION, 0, 0)
    assert last_done(session.batch("select 1")) == (tokens.DONE, tokens.COUNT)


def test_attention_while_running(session: Client) -> None:
    """The answer so far, DONE with error and MORE, DONE with the attention bit: one message."""
    session.send(framing.SQL_BATCH, HEADERS + "select 1\nwait".encode("utf-16-le"))
    answer = session.ask(framing.ATTENTION, b"")
    failed = tokens.done(tokens.DONE, tokens.FAILED | tokens.MORE, 0, 0)
    assert answer.endswith(failed + tokens.done(tokens.DONE, tokens.ATTENTION, 0, 0))
    assert answer.startswith(bytes((tokens.COLMETADATA,)))
    assert last_done(session.batch("select 1")) == (tokens.DONE, tokens.COUNT)


def test_attention_right_behind_a_request(session: Client) -> None:
    """However close the attention follows, it is acknowledged exactly once."""
    batch = HEADERS + "wait 0.001".encode("utf-16-le")
    request = framing.HEADER.pack(framing.SQL_BATCH, framing.EOM, len(batch) + 8, 0, 1, 0) + batch
    attention = framing.HEADER.pack(framing.ATTENTION, framing.EOM, 8, 0, 1, 0)
    for _ in range(200):
        session.sock.sendall(request + attention)
        answers = [session.reader.read().payload]
        while not last_done(answers[-1])[1] & tokens.ATTENTION:
            answers.append(session.reader.read().payload)
        assert len(answers) <= 2
    assert last_done(session.batch("select 1")) == (tokens.DONE, tokens.COUNT)


def test_request_taken_back_while_sending(session: Client) -> None:
    """IGNORE on the last packet: nothing runs, DONE with the error bit answers."""
    session.send(framing.SQL_BATCH, HEADERS + "kaputt".encode("utf-16-le"), status=0)
    answer = session.ask(framing.SQL_BATCH, b"", framing.EOM | framing.IGNORE)
    assert answer == tokens.done(tokens.DONE, tokens.FAILED, 0, 0)
    assert "kaputt".encode("utf-16-le") not in session.batch("ask calls")


def test_attention_in_the_middle_of_a_message(session: Client) -> None:
    """What came before it is void."""
    session.send(framing.SQL_BATCH, HEADERS + "kaputt".encode("utf-16-le"), status=0)
    assert last_done(session.ask(framing.ATTENTION, b""))[1] == tokens.ATTENTION
    assert last_done(session.batch("select 1")) == (tokens.DONE, tokens.COUNT)


def test_reset_before_a_request(session: Client) -> None:
    """The reset bit resets the session before the request runs, and says so."""
    answer = session.batch("ask calls", framing.EOM | framing.RESET)
    assert tokens.env_bytes(tokens.ENV_RESET, b"", b"") in answer
    assert "'reset', 'ask calls'".encode("utf-16-le") in answer


def test_reset_that_keeps_the_transaction_is_refused(session: Client) -> None:
    """Rather a refusal than a transaction lost without a word."""
    answer = session.batch("select 1", framing.EOM | framing.RESET_KEEPING_TRANSACTION)
    assert struct.unpack_from("<i", answer, 3) == (50999,)


def rpc(name: str, *params: tuple[str, int, SqlType, object]) -> bytes:
    """A call by name; each parameter is name, status, type, value."""
    out = struct.pack("<H", len(name)) + name.encode("utf-16-le") + b"\x00\x00"
    for label, status, kind, value in params:
        written = codec(kind, DEFAULT)
        out += tokens.short_text(label) + bytes((status,)) + written.type_info + written.encode(value)
    return out


INT = SqlType("int")


def test_output_parameter_and_return_status(session: Client) -> None:
    """RETURNSTATUS, RETURNVALUE with the parameter's place and name, DONEPROC."""
    call = rpc("dbo.add", ("@a", 0, INT, 2), ("@b", 0, INT, 3), ("@sum", 1, INT, None))
    answer = session.ask(framing.RPC, HEADERS + call)
    value = struct.pack("<BH", tokens.RETURN_VALUE, 2) + tokens.short_text("@sum") + b"\x01\x00\x00\x00\x00\x01\x00"
    assert answer == b"".join(
        (tokens.return_status(7), value, b"\x26\x04\x04\x05\x00\x00\x00", tokens.done(tokens.DONE_PROCEDURE, 0, 0, 0))
    )


def test_calls_in_a_row(session: Client) -> None:
    """Calls parted by 0xFF are answered one by one, MORE on all but the last; 0xFE means decoded, not run."""
    call = rpc("add", ("", 0, INT, 2), ("", 0, INT, 3), ("", 1, INT, None))
    answer = session.ask(framing.RPC, HEADERS + call + b"\xff" + call + b"\xfe" + call)
    assert answer.count(tokens.return_status(7)) == 2
    assert answer.count(tokens.done(tokens.DONE_PROCEDURE, tokens.MORE, 0, 0)) == 2
    assert last_done(answer) == (tokens.DONE_PROCEDURE, tokens.FINAL)


def test_default_parameters(session: Client) -> None:
    """A parameter sent as DEFAULT is left out; a positional one after it is refused."""
    named = rpc("add", ("@a", 0, INT, 2), ("@b", 0, INT, 3), ("@c", 2, INT, None), ("@d", 1, INT, None))
    answer = session.ask(framing.RPC, HEADERS + named)
    assert struct.pack("<BH", tokens.RETURN_VALUE, 3) + tokens.short_text("@d") in answer
    positional = rpc("add", ("", 2, INT, None), ("", 0, INT, 3))
    assert struct.unpack_from("<i", session.ask(framing.RPC, HEADERS + positional), 3) == (50999,)


@pytest.mark.parametrize(
    ("kind", "payload", "number"),
    [
        (framing.BULK_LOAD, b"", 50999),
        (framing.RPC, HEADERS, None),
        (framing.RPC, HEADERS + b"\xff\xff\x63\x00\x00\x00", 50999),
        (framing.RPC, HEADERS + b"\xff\xff\x0a", 4002),
        (framing.RPC, HEADERS + rpc("add", ("", 0, INT, 1))[:-2], 4002),
        (framing.RPC, HEADERS + b"\x01\x00\x00\xd8", 4002),
        (framing.RPC, b"", 4002),
        (framing.SQL_BATCH, b"\x01", 4002),
        (framing.SQL_BATCH, b"\x00\x00\x00\x00", 4002),
        (framing.SQL_BATCH, HEADERS + b"\x41", 50997),
        (framing.TRANSACTION, HEADERS + b"\x00\x00", 50999),
        (framing.TRANSACTION, HEADERS + b"\x05", 4002),
    ],
)
def test_bad_requests_are_answered(session: Client, kind: int, payload: bytes, number: int | None) -> None:
    """A request that cannot be is an error, and the connection lives on."""
    answer = session.ask(kind, payload)
    if number is not None:
        assert struct.unpack_from("<i", answer, 3) == (number,)
        assert last_done(answer)[1] & tokens.FAILED
    assert last_done(session.batch("select 1")) == (tokens.DONE, tokens.COUNT)


def manage(kind: int, *parts: bytes) -> bytes:
    return HEADERS + struct.pack("<H", kind) + b"".join(parts)


def test_transaction_manager_requests(session: Client) -> None:
    """Isolation and savepoints become T-SQL; a commit may begin the next transaction at once."""
    for request in (
        manage(5, b"\x05", b"\x02t\x00"),
        manage(9, b"\x04s\x00]\x00"),
        manage(7, b"\x00", b"\x01", b"\x00", b"\x00"),
        manage(8, b"\x00", b"\x00"),
    ):
        assert not last_done(session.ask(framing.TRANSACTION, request))[1] & tokens.FAILED
    calls = session.batch("ask calls")
    wanted = ["SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "tm begin t", "SAVE TRANSACTION [s]]]", "tm commit"]
    assert str([*wanted, "tm begin", "tm rollback", "ask calls"]).encode("utf-16-le") in calls


def test_transaction_begun_in_t_sql_is_announced(session: Client) -> None:
    """The client learns of the transaction from the answer to the batch, and of its end."""
    began = session.batch("begin")
    assert began[:5] == b"\xe3\x0b\x00\x08\x08"
    ended = session.ask(framing.TRANSACTION, manage(8, b"\x00", b"\x00"))
    assert ended[:5] == b"\xe3\x0b\x00\x09\x00"
    assert ended[6:14] == began[5:13]


def test_message_of_an_ignored_kind_is_cut(session: Client) -> None:
    """A second login is no request."""
    session.send(framing.LOGIN7, b"")
    assert session.sock.recv(1) == b""


def test_stop_from_a_session() -> None:
    """A session may stop the server it runs on: every connection ends, no new one is taken."""
    with serving() as number:
        clients = [Client(socket.create_connection(("127.0.0.1", number))) for _ in range(3)]
        for one in clients:
            one.log_in()
        clients[0].send(framing.SQL_BATCH, HEADERS + "wait".encode("utf-16-le"))
        clients[1].send(framing.SQL_BATCH, HEADERS + "stop".encode("utf-16-le"))
        for one in clients:
            assert one.sock.recv(1) == b""
            one.sock.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", number))


def test_reader_gives_whole_messages() -> None:
    """Bytes may come one by one."""
    packets = [
        framing.HEADER.pack(framing.RPC, framing.RESET, 10, 0, 1, 0) + b"ab",
        framing.HEADER.pack(framing.RPC, framing.EOM, 9, 0, 2, 0) + b"c",
        framing.HEADER.pack(framing.ATTENTION, framing.EOM, 8, 0, 1, 0),
    ]
    stream = iter([bytes((byte,)) for byte in b"".join(packets)] + [b""])
    reader = MessageReader(lambda: next(stream))
    assert reader.read() == Message(framing.RPC, framing.RESET | framing.EOM, b"abc")
    assert reader.read() == Message(framing.ATTENTION, framing.EOM, b"")
    with pytest.raises(EOFError):
        reader.read()
