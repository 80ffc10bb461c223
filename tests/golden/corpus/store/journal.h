/* An append-only file of records, grouped into transactions: all of a group survive a crash, or none. */
#ifndef WAYBILL_JOURNAL_H
#define WAYBILL_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

enum journal_status {
    JOURNAL_OK = 0,
    JOURNAL_IO = -1,
    JOURNAL_CORRUPT = -2,
    JOURNAL_BUSY = -3,
    JOURNAL_NO_TRANSACTION = -4,
};

struct journal;

typedef int (*journal_visitor)(const void *record, size_t length, void *context);

int journal_open(const char *path, struct journal **out);
int journal_begin(struct journal *j);
int journal_append(struct journal *j, const void *record, size_t length);
int journal_commit(struct journal *j);
int journal_rollback(struct journal *j);
int journal_replay(struct journal *j, journal_visitor visit, void *context);
const char *journal_message(int status);
void journal_close(struct journal *j);

#endif
