"""The model on a thread of its own: loaded there, asked there, many questions at a time.

Guarantees: `ask` returns the answer or raises within its deadline; a model that cannot be loaded, or that breaks, makes
every question raise from then on. Who asks the same twice while the first is computed waits for the one answer.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import msgspec

from gmcp_sandbox.errors import SandboxError
from gmcp_sandbox.probe.memory import Memory
from gmcp_sandbox.probe.model import Answer, Model

MOST = 4
"""Lines of one forward pass. More are no faster, make the first wait for the last, and take 6 MiB each meanwhile."""


class ProbeError(RuntimeError):
    """There is no answer, and there will be none: the question must be denied."""


class ProbeTimeout(ProbeError):
    """There is no answer yet."""


class Asked(msgspec.Struct, frozen=True):
    """An answer, and whether it was remembered."""

    answer: Answer
    is_remembered: bool


class _Question:
    __slots__ = ("answer", "done", "line")

    def __init__(self, line: str) -> None:
        self.line = line
        self.done = threading.Event()
        self.answer: Answer | None = None


class Engine:
    """One model, one thread."""

    def __init__(self, load: Callable[[], Model], memory: Memory) -> None:
        self._load = load
        self._memory = memory
        self._waiting: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._fault: str | None = None
        self._on_fault: Callable[[], None] = lambda: None
        self.error: SandboxError | None = None
        """Why the model cannot be used, when it is something that the operator can mend."""
        self.asked = self.passes = 0
        """Lines that the model was asked, and forward passes."""

    @property
    def fault(self) -> str | None:
        """Why there will be no answers; None while there may be."""
        return self._fault

    def watch(self, on_fault: Callable[[], None]) -> None:
        """Have `on_fault` called, in the engine's thread, when there will be no answers any more. Before `start`."""
        self._on_fault = on_fault

    def start(self) -> None:
        """Begin to load the model, unless that was done; returns at once."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="probe", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread, after the pass that it is in; who waits gets no answer."""
        self._fault = self._fault or "the session has ended"
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()
        self._memory.close()

    def recall(self, line: str) -> Answer | None:
        """Return the remembered answer to a line; never waits.

        Raises:
            ProbeError: The model is missing or altered: what is remembered of it is not used any more.
        """
        if self._fault is not None:
            raise ProbeError(self._fault)
        return self._memory.get(line)

    def ask(self, line: str, deadline: float) -> Asked:
        """Return the answer to a line, remembered or computed.

        Raises:
            ProbeTimeout: It took more than `deadline` seconds.
            ProbeError: There will be no answer.
        """
        remembered = self.recall(line)
        if remembered is not None:
            return Asked(remembered, True)
        self.start()
        question = _Question(line)
        self._waiting.put(question)
        if self._fault is not None:
            raise ProbeError(self._fault)
        if not question.done.wait(deadline):
            raise ProbeTimeout(f"no answer after {deadline:g} seconds")
        if question.answer is None:
            raise ProbeError(self.fault or "the model gave no answer")
        return Asked(question.answer, False)

    # ------------------------------------------------------------------------------------------------------- thread

    def _serve(self) -> None:
        try:
            model = self._load()
            while self._answer(model, self._next()):
                pass
        except SandboxError as error:
            self.error = error
            self._fault = f"{error}: {error.cause}" if error.cause else str(error)
        except Exception as error:  # noqa: BLE001 - the documented boundary: a model that breaks answers nothing more
            self._fault = f"the model failed: {type(error).__name__}"
        self._refuse_all()
        self._on_fault()

    def _next(self) -> list[_Question | None]:
        """Wait for a question; return it with what queued up behind it."""
        batch = [self._waiting.get()]
        while len(batch) < MOST:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch

    def _answer(self, model: Model, batch: list[_Question | None]) -> bool:
        """Answer a batch; return whether to go on."""
        questions = [question for question in batch if question is not None]
        answers: dict[str, Answer] = {}
        try:
            for question in questions:
                known = self._memory.get(question.line)
                if known is not None:
                    answers[question.line] = known
            fresh = [line for line in dict.fromkeys(each.line for each in questions) if line not in answers]
            if fresh:
                answers |= self._compute(model, fresh)
        finally:
            for question in questions:
                question.answer = answers.get(question.line)
                question.done.set()
        return len(questions) == len(batch)

    def _compute(self, model: Model, lines: list[str]) -> dict[str, Answer]:
        given = dict(zip(lines, model.answer(lines), strict=True))
        self.asked += len(lines)
        self.passes += 1
        self._memory.put(given)
        return given

    def _refuse_all(self) -> None:
        """Answer nobody any more. Who asks from now on sees the fault: it is set before the queue is emptied."""
        self._fault = self._fault or "the session has ended"
        while True:
            try:
                question = self._waiting.get_nowait()
            except queue.Empty:
                return
            if question is not None:
                question.done.set()
