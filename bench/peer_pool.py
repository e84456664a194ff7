#!/usr/bin/python3
"""Python's multiprocessing.Pool with two processes, as a peer: the lines bench/peer_main.hpp lists, and

  map N    items per second: N integers through x -> x+1 by Pool.map, with its own chunks
"""
import multiprocessing
import sys
import time


def plus_one(x):
    return x + 1


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def same(block):
    return block


def mixed_lengths(count):
    x, out = 42, []
    for _ in range(count):
        x = (1103515245 * x + 12345) & 0x7FFFFFFF
        out.append(0.050 if (x >> 16) % 10 == 0 else 0.002)
    return out


def trips(pool, count):
    micros = []
    for i in range(count):
        start = time.perf_counter()
        assert pool.apply(plus_one, (i,)) == i + 1
        micros.append((time.perf_counter() - start) * 1e6)
    micros.sort()
    return "%f %f" % (micros[count // 2], micros[int(count * 0.99)])


def seconds_of(pool, function, arguments):
    start = time.perf_counter()
    handles = [pool.apply_async(function, (a,)) for a in arguments]
    results = [h.get() for h in handles]
    return time.perf_counter() - start, results


def answer(pool, words):
    what, numbers = words[0], words[1:]
    count = int(numbers[0])
    if what == "trips":
        return trips(pool, count)
    if what == "rate":
        count = min(count, 20000)
        return str(count / seconds_of(pool, plus_one, range(count))[0])
    if what == "echo":
        block, count = bytes(count), int(numbers[1])
        return str(len(block) * count / seconds_of(pool, same, [block] * count)[0] / 1e6)
    if what == "burn":
        return str(seconds_of(pool, burn, [float(numbers[1])] * count)[0])
    if what == "mixed":
        return str(seconds_of(pool, burn, mixed_lengths(count))[0])
    if what == "map":
        items = list(range(count))
        start = time.perf_counter()
        results = pool.map(plus_one, items)
        seconds = time.perf_counter() - start
        assert results[-1] == count
        return str(count / seconds)
    return "unknown"


def main():
    with multiprocessing.Pool(2) as pool:
        pool.map(plus_one, range(1000))
        print("ready", flush=True)
        for line in sys.stdin:
            print(answer(pool, line.split()), flush=True)


if __name__ == "__main__":
    main()
