"""Blocks of code that are recorded: for `with`, for `async with`, and as decorators of functions."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial, wraps
from typing import Any, Generic, TypeVar, cast

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any])


class Block(Generic[_T]):
    """A block that is recorded, once: its begin and its end are requests.

    In `async with` they are sent by a thread, so that the event loop goes on, and a task that is cancelled waits for
    them. A process that was forked inside the block leaves it without a word: the block is its parent's.
    """

    _process = 0  # which entered the block and has not left it; 0: none
    _used = False

    # -- what a block is ------------------------------------------------------------------------------------------

    def _begin(self) -> _T:
        """Record that the block begins; may run in another thread."""
        raise NotImplementedError

    def _end(self, error: BaseException | None) -> None:
        """Record how the block ended; may run in another thread."""
        raise NotImplementedError

    def _another(self) -> Block[_T]:
        """Return a block like this one that has not begun."""
        raise NotImplementedError

    def _enter(self) -> None:
        """Do what is to be done in the context of the code that enters the block."""

    def _leave(self) -> None:
        """Do what is to be done in the context of the code that leaves the block."""

    # -- with and async with --------------------------------------------------------------------------------------

    def __enter__(self) -> _T:
        """Record the begin."""
        self._use()
        begun = self._begin()
        return self._entered(begun)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Record the end; the block's own error goes on."""
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
        """Record the end, from a thread; the block's own error goes on."""
        if not self._is_left():
            return
        error, end = _raised(kind, error), _Outcome[None]()
        try:
            if isinstance(error, GeneratorExit):
                end.of(partial(self._end, error))  # a coroutine that is closed may wait for nothing
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
        """Say whether it is this process that leaves the block, and now."""
        own, self._process = self._process == os.getpid(), 0
        return own

    # -- as a decorator -------------------------------------------------------------------------------------------

    def __call__(self, function: _F) -> _F:
        """Record each call of a function as a block of its own; of an `async` one, each time that it is awaited.

        Raises:
            TypeError: the function is an asynchronous generator: say `async with` inside it. When it is called: it
                returns a coroutine, of which nothing has run yet.
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
    """Say whether a function, or what an object does when it is called, is of a kind."""
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004  # not whether, but which


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", None) or repr(function)


def _raised(kind: type[BaseException] | None, error: BaseException | None) -> BaseException | None:
    """Return the error with which a block is left; who calls `__exit__` by hand may give its class alone."""
    if error is not None or kind is None:
        return error
    try:
        return kind()
    except Exception:  # it is not to be made without arguments
        return RuntimeError(kind.__name__)


class _Outcome(Generic[_T]):
    """What a function returned or raised."""

    failure: BaseException | None = None
    value: _T

    def of(self, function: Callable[[], _T]) -> None:
        """Call the function."""
        try:
            self.value = function()
        except BaseException as error:  # raised where it is waited for
            self.failure = error

    def result(self) -> _T:
        """Return what the function returned.

        Raises:
            BaseException: what it raised.
        """
        if self.failure is not None:
            raise self.failure
        return self.value

    async def in_thread(self, function: Callable[[], _T]) -> BaseException | None:
        """Call the function in a thread of its own and in this context, to its end, while the event loop goes on.

        Not in the loop's own threads: all of them may be busy with the work of the block.

        Returns:
            the cancellation that came meanwhile, for the caller to raise.
        """
        import asyncio  # here, because nobody who imports the package should wait for it

        try:
            loop = asyncio.get_running_loop()
            done = loop.create_future()
            thread = threading.Thread(target=copy_context().run, args=(self._work, function, loop, done))
            thread.start()
        except RuntimeError:  # another library's loop, or no thread is to be had
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
        except RuntimeError:  # the loop is closed: nobody waits
            return


def _settle(done: Any) -> None:
    if not done.done():
        done.set_result(None)
