// Records what a program does to files below $SHIM_DIR, in one order, into $SHIM_LOG.
//
// A record: kind, then 64-bit numbers, then byte strings with a 32-bit length in front. Files are
// known by inode number, because a name may move while the file is open.
//   C inode path     a file was created        D inode path   a directory was created
//   W inode at data  T inode length            S inode        fsync or fdatasync
//   F inode          one of them failed
//   R from to        U path  (unlink, rmdir)   A data         written below $SHIM_MARKS
// sync_file_range is not recorded: it promises nothing about a power loss.
//
// Faults for the database file: from sync number $SHIM_FAIL_SYNC_AT on every sync fails with EIO;
// write number $SHIM_SHORT_WRITE_AT writes one half and says so, and from there on (if
// $SHIM_WRITE_ERRNO is set) every write fails with that number.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -2;
static int syncs, writes;

static int below(const char *env, const char *path) {
    const char *dir = getenv(env);
    size_t n = dir ? strlen(dir) : 0;
    return n && !strncmp(path, dir, n) && (path[n] == '/' || path[n] == 0);
}

static int number(const char *env) { const char *v = getenv(env); return v ? atoi(v) : 0; }

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 4095);
    path[n < 0 ? 0 : n] = 0;
    return n > 0;
}

static void absolute(int dir, const char *path, char *out) {
    if (path[0] == '/') { snprintf(out, 4096, "%s", path); return; }
    char base[4096] = "";
    if (dir == AT_FDCWD) { if (!getcwd(base, sizeof base)) base[0] = 0; } else path_of(dir, base);
    snprintf(out, 4096, "%.2000s/%.2000s", base, path);
}

static uint64_t inode(int fd) { struct stat s; return fstat(fd, &s) ? 0 : s.st_ino; }

static void emit(char kind, int n, const uint64_t *numbers, int strings, const struct iovec *s) {
    if (log_fd == -2) {
        const char *path = getenv("SHIM_LOG");
        log_fd = path ? REAL(open)(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    }
    if (log_fd < 0) return;
    size_t total = 1 + 8 * n;
    for (int i = 0; i < strings; i++) total += 4 + s[i].iov_len;
    char *buffer = malloc(total), *p = buffer;
    *p++ = kind;
    memcpy(p, numbers, 8 * n); p += 8 * n;
    for (int i = 0; i < strings; i++) {
        uint32_t length = s[i].iov_len;
        memcpy(p, &length, 4); p += 4;
        memcpy(p, s[i].iov_base, length); p += length;
    }
    // One append per record, so that records of several processes do not mix.
    if (REAL(write)(log_fd, buffer, total) != (ssize_t)total) abort();
    free(buffer);
}

static void emit_path(char kind, uint64_t ino, const char *path) {
    struct iovec s = {(void *)path, strlen(path)};
    emit(kind, kind == 'U' ? 0 : 1, &ino, 1, &s);
}

// ---- creating ----

static int open_at(int dir, const char *path, int flags, mode_t mode) {
    char full[4096];
    absolute(dir, path, full);
    if (!below("SHIM_DIR", full)) return REAL(openat)(dir, path, flags, mode);
    pthread_mutex_lock(&order);
    struct stat s;
    int existed = !fstatat(dir, path, &s, 0);
    int fd = REAL(openat)(dir, path, flags, mode);
    int error = errno;
    if (fd >= 0 && !existed) emit_path('C', inode(fd), full);
    else if (fd >= 0 && (flags & O_TRUNC) && s.st_size) {
        uint64_t n[2] = {inode(fd), 0};
        emit('T', 2, n, 0, 0);
    }
    pthread_mutex_unlock(&order);
    errno = error;
    return fd;
}

#define MODE mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { va_list a; va_start(a, flags); mode = va_arg(a, mode_t); va_end(a); }
int open(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE return open_at(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE return open_at(dir, path, flags, mode); }
int creat(const char *path, mode_t mode) {
    return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int mkdirat(int dir, const char *path, mode_t mode) {
    char full[4096];
    absolute(dir, path, full);
    if (!below("SHIM_DIR", full)) return REAL(mkdirat)(dir, path, mode);
    pthread_mutex_lock(&order);
    int result = REAL(mkdirat)(dir, path, mode), error = errno;
    struct stat s;
    if (!result && !fstatat(dir, path, &s, 0)) emit_path('D', s.st_ino, full);
    pthread_mutex_unlock(&order);
    errno = error;
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

// ---- writing ----

static int is_database(const char *path) {
    size_t n = strlen(path);
    return n > 3 && !strcmp(path + n - 3, "/db");
}

static ssize_t write_at(int fd, const void *data, size_t length, off_t at, int positioned) {
    char path[4096];
    int known = path_of(fd, path), state = known && below("SHIM_DIR", path);
    int marks = known && below("SHIM_MARKS", path);
    if (!state && !marks) {
        return positioned ? REAL(pwrite)(fd, data, length, at) : REAL(write)(fd, data, length);
    }
    pthread_mutex_lock(&order);
    if (!positioned) {
        struct stat s;
        int append = fcntl(fd, F_GETFL) & O_APPEND;
        at = append && !fstat(fd, &s) ? s.st_size : lseek(fd, 0, SEEK_CUR);
    }
    int bad_at = number("SHIM_SHORT_WRITE_AT"), bad_errno = number("SHIM_WRITE_ERRNO");
    int call = state && is_database(path) ? ++writes : 0;
    ssize_t done;
    if (bad_at && bad_errno && call > bad_at) {
        done = -1;
        errno = bad_errno;
    } else {
        if (bad_at && call == bad_at && length > 1) length /= 2;
        done = positioned ? REAL(pwrite)(fd, data, length, at) : REAL(write)(fd, data, length);
    }
    int error = errno;
    if (done > 0) {
        struct iovec s = {(void *)data, done};
        uint64_t n[2] = {inode(fd), at};
        if (marks) emit('A', 0, 0, 1, &s); else emit('W', 2, n, 1, &s);
    }
    pthread_mutex_unlock(&order);
    errno = error;
    return done;
}

ssize_t write(int fd, const void *data, size_t length) { return write_at(fd, data, length, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return write_at(fd, data, length, at, 1); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) { return write_at(fd, data, length, at, 1); }
static ssize_t each(int fd, const struct iovec *v, int count, off_t at, int positioned) {
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t n = write_at(fd, v[i].iov_base, v[i].iov_len, at + total, positioned);
        if (n < 0) return total ? total : n;
        total += n;
        if ((size_t)n < v[i].iov_len) break;
    }
    return total;
}
ssize_t writev(int fd, const struct iovec *v, int n) { return each(fd, v, n, 0, 0); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) { return each(fd, v, n, at, 1); }
ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at) { return each(fd, v, n, at, 1); }

static int resize(int fd, off_t length, int shrink) {
    char path[4096];
    struct stat s;
    int state = path_of(fd, path) && below("SHIM_DIR", path);
    pthread_mutex_lock(&order);
    int result = shrink ? REAL(ftruncate)(fd, length) : 0, error = errno;
    if (!result && state && (shrink || (!fstat(fd, &s) && s.st_size < length))) {
        uint64_t n[2] = {inode(fd), length};
        emit('T', 2, n, 0, 0);
    }
    pthread_mutex_unlock(&order);
    errno = error;
    return result;
}
int ftruncate(int fd, off_t length) { return resize(fd, length, 1); }
int ftruncate64(int fd, off_t length) { return resize(fd, length, 1); }

// Copies that bypass write(2) are refused; callers fall back to reading and writing.
ssize_t copy_file_range(int a, off_t *b, int c, off_t *d, size_t e, unsigned f) {
    (void)a; (void)b; (void)c; (void)d; (void)e; (void)f;
    errno = ENOSYS;
    return -1;
}

// ---- names ----

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    char a[4096], b[4096];
    absolute(from_dir, from, a);
    absolute(to_dir, to, b);
    pthread_mutex_lock(&order);
    int result = REAL(renameat)(from_dir, from, to_dir, to), error = errno;
    if (!result && below("SHIM_DIR", a)) {
        struct iovec s[2] = {{a, strlen(a)}, {b, strlen(b)}};
        emit('R', 0, 0, 2, s);
    }
    pthread_mutex_unlock(&order);
    errno = error;
    return result;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int dir, const char *path, int flags) {
    char full[4096];
    absolute(dir, path, full);
    pthread_mutex_lock(&order);
    int result = REAL(unlinkat)(dir, path, flags), error = errno;
    if (!result && below("SHIM_DIR", full)) emit_path('U', 0, full);
    pthread_mutex_unlock(&order);
    errno = error;
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

// ---- syncing ----

static int sync_fd(int fd, int data_only) {
    char path[4096];
    int state = path_of(fd, path) && below("SHIM_DIR", path);
    pthread_mutex_lock(&order);
    int fail_at = number("SHIM_FAIL_SYNC_AT");
    int failed = fail_at && state && is_database(path) && ++syncs >= fail_at;
    int result = failed ? -1 : data_only ? REAL(fdatasync)(fd) : REAL(fsync)(fd);
    int error = failed ? EIO : errno;
    if (state && (!result || failed)) { uint64_t n = inode(fd); emit(failed ? 'F' : 'S', 1, &n, 0, 0); }
    pthread_mutex_unlock(&order);
    errno = error;
    return result;
}
int fsync(int fd) { return sync_fd(fd, 0); }
int fdatasync(int fd) { return sync_fd(fd, 1); }
int sync_file_range(int fd, off64_t at, off64_t length, unsigned flags) {
    (void)fd; (void)at; (void)length; (void)flags;
    return 0;
}
