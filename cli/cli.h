/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What main.c and the verbs agree on: exit codes, the verbs, and how to complain.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>

enum exit_code {
	CODE_OK = 0,
	CODE_FAILED = 1,	/* refused, or the program that was run failed */
	CODE_USAGE = 100,	/* the command line is wrong: trying again will not help */
	CODE_TEMPORARY = 111,	/* no broker, no descriptors, no time: trying again may help */
};

/* Every verb: argv[0] is the verb's name. Returns an exit code. */
int verb_connect(int argc, char **argv);
int verb_door(int argc, char **argv);
int verb_grant(int argc, char **argv);
int verb_claim(int argc, char **argv);
int verb_give(int argc, char **argv);
int verb_graph(int argc, char **argv);
int verb_hold(int argc, char **argv);
int verb_lend(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_nat(int argc, char **argv);
int verb_revoke(int argc, char **argv);
int verb_serve(int argc, char **argv);
int verb_show(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_take(int argc, char **argv);
int verb_watch(int argc, char **argv);
int verb_why(int argc, char **argv);

/* Values of long options without a letter: the common ones, then each verb's own. */
enum { OPT_SYSTEM = 0x100, OPT_USER, OPT_BASE, OPT_DOOR, OPT_VERB };

/* One line to stderr, "intro: " before it, in one write. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A wrong command line: says so, points to the verb's help; CODE_USAGE. */
int usage_error(const char *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What getopt_long() did not take (opterr is 0, the option string begins with ":"): says so;
 * CODE_USAGE. c: what it returned. */
int option_error(const char *verb, int c, char **argv);

/* The exit code for a negative errno. */
int exit_code(int error);

/* Complains "WHAT: why" with libintro's sentence for the negative errno; its exit code. */
int failed(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print a verb's help to stdout; CODE_OK. */
int help(const char *text);
