/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command line tells of a real broker: list, show, why, watch, status.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness_cli.h"

TEST(cli_list, lists_as_json)
{
	_cleanup_run_ struct run add, grant, list, grants, usage, show, status, table;
	json_t *json, *row;
	struct broker b;
	struct agent agent;

	broker_start(&b, NULL);
	SERVE(&b, &agent, "db", "--", "true");
	run_cli(&b, &add, "door", "add", "web", "--limit", "connections=7", "--export", "--json");
	json = json_of(add.out);
	cr_assert_not_null(strstr(json_text(json, "directory"), "/doors/web"));
	cr_assert_not_null(strstr(json_text(json, "export_directory"), "/exports/web"));
	json_decref(json);
	run_cli(&b, &grant, "grant", "web", "sql", "--as", "db", "--file", ".s.PGSQL.5432",
		"--lifetime", "10m", "--uses", "3", "--label", "l", "--serve", "--connect");
	cr_assert_eq(grant.status, 0, "%s", grant.err);

	run_cli(&b, &list, "list", "--json");
	json = json_of(list.out);
	row = json_find(json, "name", "db");
	cr_assert_str_eq(json_text(row, "state"), "served");
	cr_assert_str_eq(json_text(row, "way"), "pair");
	json_decref(json);

	run_cli(&b, &grants, "list", "grants", "web", "--json");
	json = json_of(grants.out);
	row = json_find(json, "name", "sql");
	cr_assert_str_eq(json_text(row, "service"), "db");
	cr_assert_str_eq(json_text(row, "file"), ".s.PGSQL.5432");
	cr_assert_eq(json_number(row, "uses"), 3);
	cr_assert_eq(json_array_size(json_object_get(row, "rights")), 2);
	cr_assert_leq(json_number(row, "expires"), 600000000);
	json_decref(json);

	run_cli(&b, &usage, "list", "--usage", "--json");
	json = json_of(usage.out);
	row = json_find(json, "door", "web");
	cr_assert_eq(json_number(row, "max_connections"), 7);
	json_decref(json);

	run_cli(&b, &show, "show", "door", "web", "--json");
	json = json_of(show.out);
	cr_assert_eq(json_array_size(json_object_get(json, "grants")), 1);
	cr_assert_eq(json_number(json, "max_connections"), 7);
	json_decref(json);

	run_cli(&b, &status, "status", "--json");
	json = json_of(status.out);
	cr_assert_eq(json_number(json, "pid"), broker_pid(&b));
	json_decref(json);

	run_cli(&b, &table, "list");
	cr_assert(!strncmp(table.out, "NAME", 4), "%s", table.out);
	cr_assert_null(strchr(table.out, '\033'), "no colours in a file");
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}

TEST(cli_list, explains)
{
	_cleanup_run_ struct run add, refused, grant, down, allowed, json_run, nobody;
	struct broker b;
	struct agent agent;
	json_t *json;

	broker_start(&b, NULL);
	run_cli(&b, &add, "door", "add", "web");
	run_cli(&b, &refused, "why", "web", "db");
	cr_assert_eq(refused.status, 1);
	cr_assert_not_null(strstr(refused.out, "intro grant web db"), "%s", refused.out);
	run_cli(&b, &grant, "grant", "web", "db");
	run_cli(&b, &down, "why", "web", "db");
	cr_assert_eq(down.status, 1);
	SERVE(&b, &agent, "db", "--", "true");
	run_cli(&b, &allowed, "why", "web", "db");
	cr_assert_eq(allowed.status, 0, "%s", allowed.out);
	run_cli(&b, &json_run, "why", "web", "db", "--serve", "--json");
	cr_assert_eq(json_run.status, 1);
	json = json_of(json_run.out);
	cr_assert_gt(json_number(json, "verdict"), 0);
	cr_assert_neq(*json_text(json, "reason"), '\0');
	json_decref(json);
	run_cli(&b, &nobody, "show", "nobody");
	cr_assert_eq(nobody.status, 1);
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}

TEST(cli_list, watches)
{
	_cleanup_run_ struct run r;
	char line[1024];
	struct broker b;
	struct agent agent;
	pid_t watcher;
	json_t *json;
	FILE *lines;
	int out[2];

	broker_start(&b, NULL);
	SERVE(&b, &agent, "db", "--", "true");
	MUST(pipe2(out, O_CLOEXEC));
	watcher = spawn_cli(&b, &(struct spawn){ .out = out[1] }, "watch", "--json");
	close(out[1]);
	/* until it watches, nothing comes */
	do
		run_cli(&b, &r, "connect", "nothing");
	while (poll(&(struct pollfd){ out[0], POLLIN, 0 }, 1, 0) == 0 && (run_free(&r), true));

	lines = fdopen(out[0], "r");
	cr_assert_not_null(fgets(line, sizeof line, lines));
	json = json_of(line);
	cr_assert_str_eq(json_text(json, "event"), "refused", "%s", line);
	cr_assert_str_eq(json_text(json, "door"), "host", "%s", line);
	cr_assert_str_eq(json_text(json, "error"), "ENOENT", "%s", line);
	cr_assert_neq(*json_text(json, "time"), '\0');
	json_decref(json);
	child_kill(watcher);
	fclose(lines);
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}
