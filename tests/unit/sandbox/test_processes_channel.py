"""Frames arrive whole, within their cap and deadline, or not at all and with a reason."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from louver_sandbox.processes.channel import (
    Channel,
    ChannelClosed,
    DeadlineExceeded,
    FrameTooLarge,
    Interrupted,
    channel_pair,
)
from louver_sandbox.processes.child import (
    Code,
    MalformedReply,
    RequestFailed,
    decode_reply,
    encode_reply,
    reply_to,
)


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    left, right = channel_pair()
    with left, right:
        yield left, right


@given(st.lists(st.binary(max_size=5000), max_size=8))
@settings(max_examples=50, deadline=None)
def test_frames_arrive_whole_and_in_order(payloads: list[bytes]) -> None:
    left, right = channel_pair()
    with left, right:
        for payload in payloads:
            left.send(payload)
        assert [right.receive(5000) for _ in payloads] == payloads


def test_a_frame_longer_than_the_socket_buffer_arrives(ends: tuple[Channel, Channel]) -> None:
    payload = bytes(range(256)) * 16_384
    sender = threading.Thread(target=ends[0].send, args=(payload,))
    sender.start()
    assert ends[1].receive(len(payload)) == payload
    sender.join()


def test_a_frame_at_the_cap_is_taken_and_one_byte_more_is_refused(ends: tuple[Channel, Channel]) -> None:
    ends[0].send(b"x" * 10)
    assert ends[1].receive(10) == b"x" * 10
    ends[0].send(b"x" * 11)
    with pytest.raises(FrameTooLarge):
        ends[1].receive(10)


def test_an_announced_length_is_refused_before_its_bytes_are_waited_for() -> None:
    raw, end = socket.socketpair()
    with raw, Channel(end) as channel:
        raw.sendall(b"\xff\xff\xff\xff")
        with pytest.raises(FrameTooLarge):
            channel.receive(1 << 20, deadline=time.monotonic() + 60)


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\0\5", b"\0\0\0\5abcd"])
def test_a_frame_cut_off_by_the_other_end_is_a_closed_channel(sent: bytes) -> None:
    raw, end = socket.socketpair()
    with Channel(end) as channel:
        raw.sendall(sent)
        raw.close()
        with pytest.raises(ChannelClosed):
            channel.receive(100)


def test_sending_to_nobody_is_a_closed_channel(ends: tuple[Channel, Channel]) -> None:
    ends[1].close()
    with pytest.raises(ChannelClosed):
        ends[0].send(b"x")


def test_silence_ends_at_the_deadline(ends: tuple[Channel, Channel]) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        ends[0].receive(10, deadline=started + 0.05)
    assert time.monotonic() - started < 10, "by itself it is silent for ever"


def test_one_byte_at_a_time_does_not_stretch_the_deadline() -> None:
    raw, end = socket.socketpair()
    stop = threading.Event()

    def drip() -> None:
        raw.sendall(b"\0\0\1\0")
        while not stop.wait(0.02):
            raw.sendall(b"x")

    dripper = threading.Thread(target=drip)
    with raw, Channel(end) as channel:
        dripper.start()
        with pytest.raises(DeadlineExceeded):
            channel.receive(1000, deadline=time.monotonic() + 0.1)
        stop.set()
        dripper.join()


def test_a_receiver_that_does_not_read_cannot_hold_the_sender(ends: tuple[Channel, Channel]) -> None:
    with pytest.raises(DeadlineExceeded):
        ends[0].send(b"x" * (8 << 20), deadline=time.monotonic() + 0.1)


def test_a_cancellation_is_seen_while_waiting(ends: tuple[Channel, Channel]) -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.05, cancelled.set)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Interrupted):
        ends[0].receive(10, deadline=started + 100, interrupted=cancelled.is_set)
    assert time.monotonic() - started < 10
    timer.join()


@given(st.binary(max_size=200))
def test_an_answer_is_told_from_a_failure(payload: bytes) -> None:
    assert decode_reply(encode_reply(Code.ANSWER, payload)) == payload


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.ANSWER])
def test_a_failure_is_its_code_alone(code: Code) -> None:
    with pytest.raises(RequestFailed) as failed:
        decode_reply(encode_reply(code))
    assert failed.value.code is code
    with pytest.raises(MalformedReply):
        decode_reply(encode_reply(code, b"CANARY"))


@given(st.binary(max_size=20).filter(lambda reply: not reply or reply[0] not in frozenset(Code)))
def test_any_other_bytes_are_malformed(reply: bytes) -> None:
    with pytest.raises(MalformedReply, match=r"^not a reply$"):
        decode_reply(reply)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("CANARY"), Code.ERROR),
        (RecursionError("CANARY"), Code.ERROR),
        (MemoryError("CANARY"), Code.MEMORY),
        (RequestFailed(Code.TIMEOUT), Code.TIMEOUT),
    ],
)
def test_what_a_handler_raises_leaves_as_a_code_without_its_text(error: Exception, code: Code) -> None:
    def handle(_: bytes) -> bytes:
        raise error

    assert reply_to(b"request", handle) == bytes([code])
