#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct journal {
    int fd;
    int active;
    off_t committed;
    unsigned char *pending;
    size_t used;
    size_t room;
};

struct header {
    uint32_t length;
    uint32_t checksum;
};

/* Adler's sum: cheap, and enough to tell a torn write from a whole one. */
static uint32_t checksum(const unsigned char *bytes, size_t length) {
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < length; i++) {
        a = (a + bytes[i]) % 65521;
        b = (b + a) % 65521;
    }
    return (b << 16) | a;
}

/* Writes all of a buffer, however often the kernel takes only a part or a signal interrupts. */
static int write_fully(int fd, const unsigned char *bytes, size_t length, off_t at) {
    while (length > 0) {
        ssize_t written = pwrite(fd, bytes, length, at);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return JOURNAL_IO;
        }
        bytes += written;
        at += written;
        length -= (size_t)written;
    }
    return JOURNAL_OK;
}

/* Opens or makes the file; a second process is refused while the first one lives. */
int journal_open(const char *path, struct journal **out) {
    struct journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return JOURNAL_IO;
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->fd < 0) {
        free(j);
        return JOURNAL_IO;
    }
    if (flock(j->fd, LOCK_EX | LOCK_NB) != 0) {
        close(j->fd);
        free(j);
        return JOURNAL_BUSY;
    }
    *out = j;
    return JOURNAL_OK;
}

int journal_begin(struct journal *j) {
    if (j->active)
        return JOURNAL_BUSY;
    j->active = 1;
    j->used = 0;
    return JOURNAL_OK;
}

/* Keeps a record in memory until the transaction is committed. */
int journal_append(struct journal *j, const void *record, size_t length) {
    struct header head = {(uint32_t)length, checksum(record, length)};
    if (!j->active)
        return JOURNAL_NO_TRANSACTION;
    while (j->used + sizeof head + length > j->room) {
        size_t larger = j->room ? 2 * j->room : 4096;
        unsigned char *grown = realloc(j->pending, larger);
        if (grown == NULL)
            return JOURNAL_IO;
        j->pending = grown;
        j->room = larger;
    }
    memcpy(j->pending + j->used, &head, sizeof head);
    memcpy(j->pending + j->used + sizeof head, record, length);
    j->used += sizeof head + length;
    return JOURNAL_OK;
}

/* Makes the pending records durable; after a failure the file is cut back to where it was. */
int journal_commit(struct journal *j) {
    if (!j->active)
        return JOURNAL_NO_TRANSACTION;
    j->active = 0;
    if (write_fully(j->fd, j->pending, j->used, j->committed) != JOURNAL_OK || fdatasync(j->fd) != 0) {
        (void)!ftruncate(j->fd, j->committed);
        return JOURNAL_IO;
    }
    j->committed += (off_t)j->used;
    return JOURNAL_OK;
}

int journal_rollback(struct journal *j) {
    if (!j->active)
        return JOURNAL_NO_TRANSACTION;
    j->active = 0;
    j->used = 0;
    return JOURNAL_OK;
}

static int read_record(int fd, off_t at, unsigned char **record, struct header *head) {
    ssize_t got = pread(fd, head, sizeof *head, at);
    if (got < (ssize_t)sizeof *head)
        return 0;
    *record = malloc(head->length ? head->length : 1);
    if (*record == NULL)
        return JOURNAL_IO;
    got = pread(fd, *record, head->length, at + (off_t)sizeof *head);
    if (got < (ssize_t)head->length)
        return 0;
    return checksum(*record, head->length) == head->checksum ? 1 : JOURNAL_CORRUPT;
}

/* Shows every whole record to a visitor, oldest first, and cuts off what a crash left half written. */
int journal_replay(struct journal *j, journal_visitor visit, void *context) {
    off_t at = 0;
    for (;;) {
        unsigned char *record = NULL;
        struct header head;
        int found = read_record(j->fd, at, &record, &head);
        if (found == 1)
            found = visit(record, head.length, context) == 0 ? 1 : JOURNAL_IO;
        free(record);
        if (found < 0)
            return found;
        if (found == 0)
            break;
        at += (off_t)(sizeof head + head.length);
    }
    j->committed = at;
    return ftruncate(j->fd, at) == 0 ? JOURNAL_OK : JOURNAL_IO;
}

const char *journal_message(int status) {
    switch (status) {
    case JOURNAL_OK:
        return "ok";
    case JOURNAL_CORRUPT:
        return "journal record has a bad checksum";
    case JOURNAL_BUSY:
        return "journal is locked by another process";
    case JOURNAL_NO_TRANSACTION:
        return "no transaction is active";
    default:
        return "journal could not be read or written";
    }
}

void journal_close(struct journal *j) {
    if (j == NULL)
        return;
    close(j->fd);
    free(j->pending);
    free(j);
}
