/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk under SQLite whose power may fail at any time: a VFS that hands everything to the real
 * one, writes down what changes the disk, and can afterwards make the files as a disk would have
 * them on which only that is certain which was synced before. It can also fail by itself. Syncs
 * are written down and not done: there is no disk to wait for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Become SQLite's VFS; what is in dir (files alone) is on the disk. Then stop writing down; and,
 * with everything closed, forget it all and leave SQLite alone. */
void power_begin(const char *dir);
void power_stop(void);
void power_end(void);

/* How many operations were written down: a moment, to be named to power_fails_at(). */
size_t power_moment(void);

/* The name (without directory) of the file that operation number i was about. */
const char *power_file(size_t i);

/* Make in dir the files as they are when power fails after that many operations. What was not
 * synced is lost; but with a seed other than 0, some of it is there, and some in part. */
void power_fails_at(size_t moment, unsigned int seed, const char *dir);

/* From now on every nth write or truncation fails with SQLite's result; 0: none. The same of
 * syncs. */
void power_fail_writes(unsigned int nth, int result);
void power_fail_syncs(unsigned int nth, int result);
