/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What main.c and the roles of the program punch agree on: exit codes, the roles, and how to
 * complain.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>

enum exit_code {
	CODE_OK = 0,
	CODE_FAILED = 1,	/* no path was found, no answer came */
	CODE_USAGE = 100,	/* the command line is wrong: trying again will not help */
	CODE_TEMPORARY = 111,	/* no descriptors, memory or network: trying again may help */
};

/* Every role: argv[0] is the role's name. Returns an exit code. */
int punch_peer(int argc, char **argv);
int punch_relay(int argc, char **argv);
int punch_stun(int argc, char **argv);

/* One line to stderr, "punch: " before it, in one write. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A wrong command line: says so, points to the role's help ("" for none); CODE_USAGE. */
int usage_error(const char *role, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What getopt_long() did not take (opterr is 0, the option string begins with ":"): says so;
 * CODE_USAGE. c: what it returned. */
int option_error(const char *role, int c, char **argv);

/* Complains "WHAT: why" for the negative errno; CODE_TEMPORARY where trying again may help, else
 * CODE_FAILED. */
int failed(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print a role's help to stdout; CODE_OK. */
int help(const char *text);
