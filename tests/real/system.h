/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's broker for tests, which root alone may start: its configuration and programs
 * of other uids at its host door.
 */
#pragma once

#include "real.h"

#define SERVER_UID 61001u
#define CLIENT_UID 61002u

#define NEED_ROOT NEED(geteuid() == 0, "the system's broker is started by root")

/* Its doors to begin with: in "host" "site", to be served and connected to by everybody, and
 * its other name "mirror" (file mirror.sock), to be connected to. */
extern const char system_doors[];

/* Start it, with these doors, and be led to it by INTRO_DOOR. Ended by real_end(). */
void system_begin(struct real *r);

/* Write its configuration, with these doors; it takes it at the next SIGHUP. */
void system_configure(const struct broker *b, const char *doors);
/* And reload, until the host door answers this when a name is asked for. */
void system_reload(const struct broker *b, const char *doors, const char *name, int wanted);

/* An agent of SERVER_UID for "site". */
#define serve_as_other(b, ...)                                                          \
	system_agent(b, (const char *const[]){ "intro", "serve", "site", "--ready-fd", "", \
					       __VA_ARGS__, NULL })
pid_t system_agent(const struct broker *b, const char *const *argv);

/* A file in the host door. */
void host_path(const struct broker *b, char ret[static PATH_BYTES], const char *file);
