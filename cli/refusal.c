/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals of refusal.h.
 */
#include "refusal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../libintro/intro.h"
#include "cli.h"

static const char *const wanted_words[] = {
	[WANTED_CONNECT] = "connect to",
	[WANTED_SERVE] = "serve",
	[WANTED_PLACE] = "place",
	[WANTED_HOLD] = "hold a descriptor as",
	[WANTED_TAKE] = "take",
	[WANTED_LEND] = "lend",
	[WANTED_GIVE] = "give",
};

/* The door's name, where its path shows it: the last component. */
static const char *door_name(const char *door)
{
	const char *slash = strrchr(door, '/');

	return slash && slash[1] && strcmp(door, "/run/intro") ? slash + 1 : "host";
}

static bool serves(enum wanted wanted)
{
	return wanted == WANTED_SERVE || wanted == WANTED_PLACE || wanted == WANTED_HOLD;
}

/* What to do, as commands; empty where nothing better than the sentence itself is known. */
static void advise(char *out, size_t size, enum wanted wanted, const char *name,
		   const char *door, int error)
{
	const char *in = door_name(door);

	out[0] = '\0';
	switch (-error) {
	case ENOENT:
		if (serves(wanted))
			snprintf(out, size, "\nTo allow it: intro grant %s %s --serve", in, name);
		else
			snprintf(out, size,
				 "\nNames there: intro list grants %s   Which rule refuses: "
				 "intro why %s %s\n"
				 "To grant it: intro grant %s %s   To serve it: intro serve %s …",
				 in, in, name, in, name, name);
		break;
	case EACCES:
	case EKEYEXPIRED:
		snprintf(out, size, "\nWhich rule refuses, and what would allow it: intro why %s %s%s",
			 in, name, serves(wanted) ? " --serve" : "");
		break;
	case ECONNREFUSED:
		snprintf(out, size, "\nTo wait for its server: intro connect --wait 30s %s",
			 name);
		break;
	case EBUSY:
		snprintf(out, size, "\nWho serves it: intro show %s   "
			 "To wait until it is free: --wait 30s", name);
		break;
	case EDQUOT:
		snprintf(out, size, "\nWhich limit: intro list --usage   "
			 "To raise it: intro door limit %s …", in);
		break;
	case EPROTOTYPE:
		snprintf(out, size, "\nIts types: intro show %s   To ask for one: --type", name);
		break;
	case EXDEV:
		snprintf(out, size, "\nPut the server's socket into the door's export directory: "
			 "intro show door %s", in);
		break;
	case ETIMEDOUT:
		snprintf(out, size, "\nWhat it waited for: intro why %s %s", in, name);
		break;
	default:
		break;
	}
}

int refused(enum wanted wanted, const char *name, const char *door, int error)
{
	char advice[512];

	advise(advice, sizeof advice, wanted, name, door, error);
	complain("cannot %s \"%s\" through the door %s: %s%s", wanted_words[wanted], name, door,
		 intro_strerror(error), advice);
	return exit_code(error);
}
