"""One client: a thread that executes, and a thread that reads so that an attention is seen while something runs."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import traceback
from collections.abc import Callable

from runbook.sandbox.contract import Cancelled, ConnectionCut, LoginReply, Server, Session, SqlError
from runbook.sandbox.wire import framing, login, requests, tls, tokens
from runbook.sandbox.wire.errors import ProtocolError, Truncated, failure, internal
from runbook.sandbox.wire.framing import Message, MessageReader, MessageWriter
from runbook.sandbox.wire.sink import TokenSink
from runbook.sandbox.wire.transaction import TransactionWatch
from runbook.sandbox.wire.transport import Transport
from runbook.sandbox.wire.turn import Turn

_LOGIN_SECONDS = 30.0
_CANCEL_AGAIN_SECONDS = 0.05
_LINGER_SECONDS = 1.0
_REQUESTS = frozenset({framing.SQL_BATCH, framing.RPC, framing.TRANSACTION, framing.BULK_LOAD})
_KILLED = SqlError(596, "Cannot continue the execution because the session is in the kill state.", severity=21)
_CUT = (OSError, EOFError, ProtocolError, Truncated, ConnectionCut)


class Connection:
    """The life of a connection; :meth:`run` is the executing thread's."""

    def __init__(self, server: Server, transport: Transport) -> None:
        self._server = server
        self._name: str = getattr(server, "name", "")
        self._transport = transport
        self._reader = MessageReader(transport.receive)
        self._writer = MessageWriter(transport.send)
        self._turn = Turn()
        self._watch = TransactionWatch()
        self._requests: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Log in, answer requests until one side ends, close the session."""
        try:
            self._transport.limit(_LOGIN_SECONDS)
            reply = self._log_in()
            self._transport.limit(None)
            if reply is not None:
                self._serve(reply)
        except _CUT:
            pass  # the client has gone, or never spoke TDS
        except Exception:  # noqa: BLE001 - one connection must not take the others down
            traceback.print_exc()
        finally:
            self._transport.cut()
            self._transport.close()

    def cut(self) -> None:
        """End the connection from another thread."""
        self._transport.cut()

    # --- login ---------------------------------------------------------------------------------------------

    def _log_in(self) -> LoginReply | None:
        message = self._reader.read()
        if message.kind == framing.PRELOGIN:
            self._negotiate(message.payload)
            message = self._reader.read()
        if message.kind != framing.LOGIN7:
            raise ProtocolError(f"packet type {message.kind} instead of a login")
        request = login.parse_login(message.payload)
        try:
            reply = self._admitted(request)
        except SqlError as error:
            self._writer.write(login.refusal_answer(error, self._name), last=True)
            self._linger()
            return None
        self._greet(reply, request)
        return reply

    def _negotiate(self, payload: bytes) -> None:
        wanted = login.wanted_encryption(payload)
        insists = wanted in {login.ENCRYPT_ON, login.ENCRYPT_REQUIRED}
        context = tls.server_context() if insists else None
        answer = login.ENCRYPT_NOT_SUPPORTED if context is None else login.ENCRYPT_ON
        version = getattr(self._server, "program_version", (15, 0, 4430))
        self._writer.write(login.prelogin_answer(version, answer), last=True)
        if context is not None:
            self._secure(tls.Channel(context))

    def _secure(self, channel: tls.Channel) -> None:
        wrapped = MessageWriter(self._transport.send, framing.PRELOGIN)
        channel.shake_hands(lambda: self._reader.read().payload, lambda data: wrapped.write(data, last=True))
        self._transport.secure(channel)

    def _admitted(self, request: login.Login) -> LoginReply:
        if request.refusal is not None:
            raise request.refusal
        try:
            return self._server.login(request.request, self._transport.cut)
        except SqlError:
            raise
        except Exception as error:
            traceback.print_exc()
            raise failure(error) from error

    def _greet(self, reply: LoginReply, request: login.Login) -> None:
        self._writer.spid = reply.session.spid & 0xFFFF
        try:
            self._writer.write(login.login_answer(reply, request, self._name), last=True)
        except BaseException:
            reply.session.close()
            raise
        self._writer.packet_size = request.packet_size

    # --- the executing thread ------------------------------------------------------------------------------

    def _serve(self, reply: LoginReply) -> None:
        reader = threading.Thread(
            target=self._read, args=(reply.session,), name=f"read-{reply.session.spid}", daemon=True
        )
        reader.start()
        try:
            while (message := self._requests.get()) is not None:
                if self._answer(reply, message):
                    self._transport.finish()  # the client may still read the last answer
                    break
        except BaseException:
            self._transport.cut()
            raise
        finally:
            self._turn.abandon()
            _close(reply.session)
            reader.join(_LINGER_SECONDS)
            self._transport.cut()
            reader.join()

    def _answer(self, reply: LoginReply, message: Message) -> bool:
        """Answer one request; true when the connection ends with it."""
        sink = TokenSink(self._writer, self._turn, self._name, reply.collation)
        if self._turn.start():
            _execute(reply.session, message, sink, lambda: self._turn.attention)
        self._watch.announce(reply.session, sink)
        self._turn.end(lambda attention: sink.finish(attention=attention))
        return sink.is_fatal

    def _linger(self) -> None:
        """Let the client read the refusal before the socket goes."""
        self._transport.finish()
        self._transport.limit(_LINGER_SECONDS)
        while self._transport.receive():
            pass

    # --- the reading thread --------------------------------------------------------------------------------

    def _read(self, session: Session) -> None:
        try:
            while True:
                message = self._reader.read()
                if message.kind == framing.ATTENTION:
                    self._attention(session)
                elif message.kind in _REQUESTS:
                    self._turn.request_came()
                    self._requests.put(message)
                else:
                    return
        except (OSError, EOFError, ProtocolError):
            pass
        finally:
            self._cancel_until_done(session, lambda: self._turn.sleep(_CANCEL_AGAIN_SECONDS))
            self._requests.put(None)

    def _attention(self, session: Session) -> None:
        self._turn.attention_came(self._acknowledge)
        self._cancel_until_done(session, self._sees_more)

    def _acknowledge(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.write(tokens.done(tokens.DONE, tokens.ATTENTION, 0, 0), last=True)

    def _sees_more(self) -> bool:
        return self._reader.buffered() or self._transport.readable(_CANCEL_AGAIN_SECONDS)

    def _cancel_until_done(self, session: Session, is_enough: Callable[[], bool]) -> None:
        while self._turn.cancel(lambda: _cancel(session)):
            if is_enough():
                return


def _execute(session: Session, message: Message, sink: TokenSink, is_attention: Callable[[], bool]) -> None:
    try:
        with sink.reporting():
            requests.perform(session, message, sink)
    except Cancelled as cancelled:
        if cancelled.killed:
            sink.error(_KILLED)
        elif not is_attention():
            sink.error(internal("the statement was cancelled though nobody asked for it"))


def _cancel(session: Session) -> None:
    try:
        session.cancel()
    except Exception:  # noqa: BLE001 - the reading thread must live on
        traceback.print_exc()


def _close(session: Session) -> None:
    try:
        session.close()
    except Exception:  # noqa: BLE001 - nobody is left to be told but the operator
        sys.stderr.write("sandbox: closing a session failed\n")
        traceback.print_exc()
