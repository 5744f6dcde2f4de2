/* Stands between a program and the disk or the clock: fsync that does nothing or fails, a clock that is set forwards or back.
   What it does is read from the file that FAULT_FILE names, at every call: "lie", "fail" or a number of seconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int told(char *said) {
    const char *file = getenv("FAULT_FILE");
    int handle = file ? (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (handle < 0) return 0;
    long count = syscall(SYS_read, handle, said, 31);
    syscall(SYS_close, handle);
    said[count > 0 ? count : 0] = 0;
    return count > 0;
}

static int flushed(int handle, long call) {
    char said[32];
    if (told(said)) {
        if (!strncmp(said, "lie", 3)) return 0;
        if (!strncmp(said, "fail", 4)) { errno = EIO; return -1; }
    }
    return (int)syscall(call, handle);
}

int fsync(int handle) { return flushed(handle, SYS_fsync); }
int fdatasync(int handle) { return flushed(handle, SYS_fdatasync); }

int clock_gettime(clockid_t which, struct timespec *now) {
    char said[32];
    int done = (int)syscall(SYS_clock_gettime, which, now);
    if (!done && which == CLOCK_REALTIME && told(said)) now->tv_sec += atol(said);
    return done;
}
