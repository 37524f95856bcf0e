"""The system calls each kind of process may make once it is sealed: a list of what is allowed, everything else kills.

Names that the machine does not have (arm64 has no `open`) are passed over: what is not there cannot be called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


def _calls(names: str) -> frozenset[str]:
    return frozenset(names.split())


COMPUTING: Final = _calls(
    """
    brk clock_getres clock_gettime clock_nanosleep exit exit_group futex getcpu getegid geteuid getgid getpid
    getrandom getresgid getresuid getrusage gettid gettimeofday getuid madvise membarrier mincore mremap munmap
    nanosleep restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield
    set_robust_list sigaltstack sysinfo time times uname
    """
)
"""Time, memory of one's own, threads of one's own, and the end."""

ANSWERING: Final = _calls("close fstat lseek poll ppoll pread64 preadv read readv recvfrom sendto write")
"""What is open already: the channel and the files of the job. Landlock and the descriptors decide what that is."""

STORING: Final = _calls(
    """
    access chmod dup faccessat faccessat2 fadvise64 fallocate fchmod fdatasync fstatfs fsync ftruncate getcwd
    getdents64 link linkat lstat mkdir mkdirat newfstatat open openat pwrite64 pwritev readlink readlinkat rename
    renameat renameat2 rmdir stat statfs statx truncate umask unlink unlinkat utimensat writev
    """
)
"""Files: for the one process that writes some. Landlock decides which."""

ASKING_IN_VAIN: Final = _calls(
    """
    access dup faccessat faccessat2 fstatfs getcwd getdents64 getppid lstat mlock newfstatat open openat
    pkey_mprotect readlink readlinkat sched_setaffinity setpriority stat statfs statx
    """
)
"""What libraries ask out of curiosity and do without: answered with EACCES, so that nobody dies of it."""

PR_SET_NAME, PR_SET_VMA = 15, 0x53564D41


@dataclass(frozen=True)
class Profile:
    """One kind of process: the calls it may make, and those it is denied without being killed."""

    allowed: frozenset[str]
    denied: frozenset[str]


PROFILES: Final[Mapping[str, Profile]] = {
    # A worker, a checker and a solver compute and answer; a checker's memory and time are limited more (wiring).
    "compute": Profile(COMPUTING | ANSWERING, ASKING_IN_VAIN),
    "store": Profile(COMPUTING | ANSWERING | STORING, ASKING_IN_VAIN - STORING),
}
"""By name. `compute` has no file, `store` takes an upload in."""
