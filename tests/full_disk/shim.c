// Stands between the program and the disk, for files below $SHIM_DIR only. Files in $SHIM_CTL say
// what it does; while none is there it does nothing.
//
//   full       "N word path times": after N more writes every write fails with ENOSPC, as long as
//              this file is there. With a word, only writes to files whose path has it. With a
//              path, only as long as that file exists: its removal makes room. With times, only so
//              many writes. "-" stands for none.
//   late       milliseconds before a write fails
//   free       what statvfs answers, in bytes
//   denied     an errno for everything that would change something
//   slow       milliseconds added to each fdatasync
//   failed     written by the shim: the path of every write that failed
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(type, name, ...)                                  \
    static type (*real)(__VA_ARGS__);                          \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int read_control(const char *name, char *text, size_t size) {
    const char *dir = getenv("SHIM_CTL");
    char path[4096];
    if (!dir) return 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t n = fread(text, 1, size - 1, file);
    text[n] = 0;
    fclose(file);
    return 1;
}

static int is_ours(const char *path) {
    const char *dir = getenv("SHIM_DIR");
    return dir && strncmp(path, dir, strlen(dir)) == 0;
}

static void note(const char *path) {
    char name[4096];
    snprintf(name, sizeof name, "%s/failed", getenv("SHIM_CTL"));
    FILE *file = fopen(name, "a");
    if (file) { fprintf(file, "%s\n", path); fclose(file); }
}

static long writes;

// The errno for a change of `path`, or 0.
static int refusal(const char *path) {
    char text[4096], word[256] = "-", room[3072] = "-";
    long let = 0, times = 1L << 40;
    if (!is_ours(path)) return 0;
    if (read_control("denied", text, sizeof text)) { note(path); return atoi(text); }
    if (!read_control("full", text, sizeof text)) { writes = 0; return 0; }
    sscanf(text, "%ld %255s %3071s %ld", &let, word, room, &times);
    if (strcmp(word, "-") && !strstr(path, word)) return 0;
    if (strcmp(room, "-") && access(room, F_OK)) return 0;
    long write = __sync_add_and_fetch(&writes, 1);
    if (write <= let || write > let + times) return 0;
    if (read_control("late", text, sizeof text)) usleep(1000 * atoi(text));
    note(path);
    return ENOSPC;
}

static int refuses(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = 0;
    int error = refusal(path);
    if (error) errno = error;
    return error;
}

static int refuses_path(const char *path) {
    int error = refusal(path);
    if (error) errno = error;
    return error;
}

#define WRITER(name, off)                                                     \
    ssize_t name(int fd, const void *bytes, size_t size, off at) {            \
        REAL(ssize_t, #name, int, const void *, size_t, off);                 \
        return refuses(fd) ? -1 : real(fd, bytes, size, at);                  \
    }
WRITER(pwrite, off_t)
WRITER(pwrite64, off64_t)

ssize_t write(int fd, const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return fd > 2 && refuses(fd) ? -1 : real(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    return fd > 2 && refuses(fd) ? -1 : real(fd, parts, count);
}

int fallocate(int fd, int mode, off_t from, off_t size) {
    REAL(int, "fallocate", int, int, off_t, off_t);
    return refuses(fd) ? -1 : real(fd, mode, from, size);
}

int fallocate64(int fd, int mode, off64_t from, off64_t size) {
    REAL(int, "fallocate64", int, int, off64_t, off64_t);
    return refuses(fd) ? -1 : real(fd, mode, from, size);
}

static int creates(const char *path, int flags) {
    char text[64];
    // Opening for writing is refused where nothing may change, creating also where nothing fits.
    if ((flags & O_ACCMODE) != O_RDONLY && is_ours(path) && read_control("denied", text, sizeof text))
        return refuses_path(path);
    return (flags & O_CREAT) && access(path, F_OK) ? refuses_path(path) : 0;
}

int open64(const char *path, int flags, ...) {
    REAL(int, "open64", const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return creates(path, flags) ? -1 : real(path, flags, mode);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    return access(path, F_OK) && refuses_path(path) ? -1 : real(path, mode);
}

int chmod(const char *path, mode_t mode) {
    REAL(int, "chmod", const char *, mode_t);
    char text[64];
    if (read_control("denied", text, sizeof text) && refuses_path(path)) return -1;
    return real(path, mode);
}

static int few(const char *path, unsigned long *available, unsigned long size) {
    char text[64];
    if (!is_ours(path) || !read_control("free", text, sizeof text)) return 0;
    *available = strtoul(text, 0, 10) / size;
    return 1;
}

int statvfs(const char *path, struct statvfs *figures) {
    REAL(int, "statvfs", const char *, struct statvfs *);
    int result = real(path, figures);
    if (!result) few(path, &figures->f_bavail, figures->f_frsize);
    return result;
}

int statvfs64(const char *path, struct statvfs64 *figures) {
    REAL(int, "statvfs64", const char *, struct statvfs64 *);
    int result = real(path, figures);
    if (!result) few(path, &figures->f_bavail, figures->f_frsize);
    return result;
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    char text[64];
    if (read_control("slow", text, sizeof text)) usleep(1000 * atoi(text));
    return real(fd);
}
