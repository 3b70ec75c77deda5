/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration messages as they come from the configuration, and from the last switch.
 */
#pragma once

#include <stdint.h>

struct wire_message;

/* From the configuration. fd: the directory it names, or -1; set to -1 where taken over. */
int configure(const struct wire_message *m, int *fd);

/* From the parent's store. fd: its listener, or -1; set to -1 where taken over. */
int configure_restore(const struct wire_message *m, uint64_t entry, int *fd);

/* The configuration is complete: remove what only an earlier one named. */
void configure_sweep(void);
