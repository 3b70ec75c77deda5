/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of system.h.
 */
#include "system.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The directory of the broker is known only once it runs: the audit goes there from the
 * first reload on. */
void system_configure(const struct broker *b, const char *doors)
{
	char path[PATH_BYTES], next[PATH_BYTES], text[4096];

	snprintf(text, sizeof text, "user = \"nobody\"\naudit = \"%s/audit.log\"\n%s", b->dir,
		 doors);
	/* never half written: it may be being read for an earlier reload */
	dir_path(b, path, "introd.conf");
	dir_path(b, next, "introd.conf.next");
	file_write(next, text);
	MUST(rename(next, path));
}

struct look {
	const struct broker *b;
	const char *name;
	int wanted;
};

static bool door_says(void *arg)
{
	const struct look *look = arg;
	int sock = raw_open(look->b->host), r;

	r = raw_introduce(sock, 1, look->name, SOCK_STREAM, 0, NULL);
	close(sock);
	return r == look->wanted;
}

/* Reload, and wait until the host door says this of a name. */
void system_reload(const struct broker *b, const char *doors, const char *name, int wanted)
{
	system_configure(b, doors);
	MUST(kill(b->pid, SIGHUP));
	if (!wait_until(door_says, &(struct look){ b, name, wanted }))
		harness_fail("after SIGHUP \"%s\" is not %d", name, wanted);
}

const char system_doors[] =
	"door \"host\" {\n"
	"	grant \"site\" { rights = { \"serve\", \"connect\" }  label = \"everybody\" }\n"
	"	grant \"mirror\" { service = \"site\"  file = \"mirror.sock\" }\n"
	"}\n";

void system_begin(struct real *r)
{
	real_begin(r, &(struct broker_options){
		.system = true,
		.config = "user = \"nobody\"\n",
		.args = (const char *const[]){ "--log-stderr", NULL },
	});
	system_reload(&r->b, system_doors, "mirror", -ECONNREFUSED);
	/* a listener for each grant */
	r->fds += 2;
	cr_assert(broker_fds_settle(&r->b, r->fds));
	MUST(setenv("INTRO_DOOR", r->b.host, 1));
}

pid_t system_agent(const struct broker *b, const char *const *argv)
{
	static const uid_t uid = SERVER_UID;

	return agent_run_ready(b, &(struct spawn){ .before = become_uid, .before_arg = &uid },
			       argv);
}

void host_path(const struct broker *b, char ret[static PATH_BYTES], const char *file)
{
	snprintf(ret, PATH_BYTES, "%s/%s", b->host, file);
}
