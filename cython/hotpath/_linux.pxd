# SPDX-License-Identifier: Apache-2.0
"""The parts of Linux's C interface that Cython does not declare itself."""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "<unistd.h>" nogil:
    int close(int descriptor)


cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass

    int pthread_mutex_init(pthread_mutex_t *mutex, const void *attributes)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)


cdef extern from "<sys/eventfd.h>" nogil:
    enum: EFD_CLOEXEC
    enum: EFD_NONBLOCK

    int eventfd(unsigned int initial, int flags)
    int eventfd_read(int descriptor, uint64_t *value)
    int eventfd_write(int descriptor, uint64_t value)


cdef extern from "<sys/epoll.h>" nogil:
    enum: EPOLL_CLOEXEC
    enum: EPOLL_CTL_ADD
    enum: EPOLLIN
    enum: EPOLLET

    ctypedef union epoll_data_t:
        int fd

    struct epoll_event:
        uint32_t events
        epoll_data_t data

    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int descriptor, epoll_event *event)
    int epoll_wait(int epoll, epoll_event *events, int capacity, int timeout_ms)


cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass

    enum: SIG_BLOCK

    int sigfillset(sigset_t *signals)
    int pthread_sigmask(int how, const sigset_t *signals, sigset_t *old)


cdef extern from "<sys/prctl.h>" nogil:
    enum: PR_SET_NAME

    int prctl(int option, const char *name)


cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec

    enum: CLOCK_MONOTONIC
    enum: CLOCK_THREAD_CPUTIME_ID

    int clock_gettime(int clock, timespec *now)


cdef inline int64_t clock_ns(int clock) noexcept nogil:
    cdef timespec now
    clock_gettime(clock, &now)
    return <int64_t>now.tv_sec * 1_000_000_000 + now.tv_nsec
