"""Recorded blocks of code: for `with` and `async with`, and as decorators of functions."""

from __future__ import annotations

import inspect
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import copy_context
from functools import partial, wraps
from typing import Any, Generic, TypeVar, cast

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])


class Block(ABC, Generic[_T]):
    """A block whose begin and end are recorded, with requests. Each instance can be entered once.

    In `async with`, a thread sends the requests, so that the event loop is not blocked; a task that is cancelled
    waits for them. A process that is forked inside the block records nothing when it leaves the block.
    """

    _process = 0  # the process that is inside the block; 0: none
    _used = False

    # -- for subclasses ------------------------------------------------------------------------------------------

    @abstractmethod
    def _begin(self) -> _T:
        """Record the beginning of the block; may run in another thread."""

    @abstractmethod
    def _end(self, error: BaseException | None) -> None:
        """Record the end of the block; may run in another thread."""

    @abstractmethod
    def _another(self) -> Block[_T]:
        """Return a new block with the same arguments."""

    def _enter(self) -> None:
        """Run after the begin, in the context of the code that enters the block."""

    def _leave(self) -> None:
        """Run after the end, in the context of the code that leaves the block."""

    # -- with and async with --------------------------------------------------------------------------------------

    def __enter__(self) -> _T:
        """Record the begin."""
        self._use()
        begun = self._begin()
        return self._entered(begun)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Record the end; the block's own error is raised again."""
        if self._is_left():
            try:
                self._end(_raised(kind, error))
            finally:
                self._leave()

    async def __aenter__(self) -> _T:
        """Record the begin, from a thread."""
        self._use()
        begin = _Outcome[_T]()
        try:
            stopped = await begin.in_thread(self._begin)
        except GeneratorExit as closed:
            if begin.failure is None:
                self._end(closed)
            raise
        if stopped is None:
            return self._entered(begin.result())
        if begin.failure is None:
            await _Outcome[None]().in_thread(partial(self._end, stopped))
        raise stopped from begin.failure

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Record the end, from a thread; the block's own error is raised again."""
        if not self._is_left():
            return
        error, end = _raised(kind, error), _Outcome[None]()
        try:
            if isinstance(error, GeneratorExit):
                end.of(partial(self._end, error))  # a coroutine that is being closed cannot await
            else:
                stopped = await end.in_thread(partial(self._end, error))
                if stopped is not None and type(error) is not type(stopped):
                    raise stopped from end.failure
            end.result()
        finally:
            self._leave()

    def _use(self) -> None:
        if self._used:
            raise RuntimeError(f"this {type(self).__name__}(…) has been entered already; make one for each block")
        self._used = True

    def _entered(self, begun: _T) -> _T:
        self._process = os.getpid()
        self._enter()
        return begun

    def _is_left(self) -> bool:
        """Mark the block as left; return whether this process was inside it."""
        own, self._process = self._process == os.getpid(), 0
        return own

    # -- as a decorator -------------------------------------------------------------------------------------------

    def __call__(self, function: _F) -> _F:
        """Record each call of a function as a block of its own; an `async` function while it is awaited.

        Raises:
            TypeError: the function is an asynchronous generator; use `async with` inside it. Raised by the call: the
                function is not `async`, but returns a coroutine, which has not run yet.
        """
        if _is(inspect.isasyncgenfunction, function):
            raise TypeError(f"{_name(function)} is an asynchronous generator: say `async with` inside it")

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._another():
                returned = function(*args, **kwargs)
                if inspect.iscoroutine(returned):
                    returned.close()
                    raise TypeError(f"{_name(function)} returned a coroutine: decorate the `async` function itself")
                return returned

        @wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Any:
            with self._another():
                return (yield from function(*args, **kwargs))

        @wraps(function)
        async def wait(*args: Any, **kwargs: Any) -> Any:
            async with self._another():
                return await function(*args, **kwargs)

        if _is(inspect.iscoroutinefunction, function):
            return cast(_F, wait)
        return cast(_F, generate if _is(inspect.isgeneratorfunction, function) else call)


def _is(kind: Callable[[object], bool], function: Callable[..., Any]) -> bool:
    """Return whether a function, or the `__call__` method of an object, is of a kind."""
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004  # the method itself is needed


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", None) or repr(function)


def _raised(kind: type[BaseException] | None, error: BaseException | None) -> BaseException | None:
    """Return the error that leaves a block; a direct call of `__exit__` may pass only the class."""
    if error is not None or kind is None:
        return error
    try:
        return kind()
    except Exception:  # the class needs arguments
        return RuntimeError(kind.__name__)


class _Outcome(Generic[_T]):
    """The result of a function, or the error that it raised."""

    failure: BaseException | None = None
    value: _T

    def of(self, function: Callable[[], _T]) -> None:
        """Call the function."""
        try:
            self.value = function()
        except BaseException as error:  # `result` raises it
            self.failure = error

    def result(self) -> _T:
        """Return the result of the function.

        Raises:
            BaseException: the error of the function.
        """
        if self.failure is not None:
            raise self.failure
        return self.value

    async def in_thread(self, function: Callable[[], _T]) -> BaseException | None:
        """Call the function in a new thread and in this context, and wait for it without blocking the event loop.

        The loop's own threads are not used: the work of the block may keep all of them busy.

        Returns:
            the cancellation that arrived meanwhile, for the caller to raise.
        """
        import asyncio  # imported here, so that importing the package stays fast

        try:
            loop = asyncio.get_running_loop()
            done = loop.create_future()
            thread = threading.Thread(target=copy_context().run, args=(self._work, function, loop, done))
            thread.start()
        except RuntimeError:  # another library's event loop, or no thread can be started
            self.of(function)
            return None
        cancelled: BaseException | None = None
        while not done.done():
            try:
                await asyncio.wait([done])
            except asyncio.CancelledError as error:
                cancelled = error
            except GeneratorExit:
                thread.join()
                raise
        return cancelled

    def _work(self, function: Callable[[], _T], loop: Any, done: Any) -> None:
        self.of(function)
        try:
            loop.call_soon_threadsafe(_settle, done)
        except RuntimeError:  # the loop is closed: no task waits
            return


def _settle(done: Any) -> None:
    if not done.done():
        done.set_result(None)
