/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line's lend, revoke, give and claim with a real broker, and what show, list and
 * graph tell of it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness_cli.h"

static struct broker b;
static struct agent agent;

static void begin(void)
{
	broker_start(&b, NULL);
	SERVE(&b, &agent, "db", "--", "sh", "-c", "echo $INTRO_PEER_LABEL+");
}

static void end(void)
{
	cr_assert_eq(agent_stop(&agent), 0);
	broker_stop(&b);
}

/* A shell command that uses our command line. Its status and output. */
static const char *with_intro(const char *command)
{
	static char script[2048];
	char program[PATH_BYTES];

	program_path("intro", program);
	snprintf(script, sizeof script, "p='%s'; intro() { \"$p\" \"$@\" </dev/null; }; %s", program, command);
	return script;
}

static void is(const struct run *r, int status, const char *out)
{
	cr_assert_eq(r->status, status, "%d: %s", r->status, r->err);
	cr_assert_str_eq(r->out, out, "%s%s", r->out, r->err);
}

TEST(cli_lend, program_reaches_what_it_is_lent)
{
	_cleanup_run_ struct run lent, twice, nothing;

	begin();
	run_cli(&b, &lent, "lend", "db=data", "--label", "to sh", "--", "sh", "-c",
		with_intro("echo $INTRO_NAMES; intro connect data; intro connect db || echo no; "
			   "intro lend data --label deeper -- \"$p\" connect data"));
	is(&lent, 0, "data\nto sh+\nno\nto sh>deeper+\n");
	run_cli(&b, &twice, "lend", "db", "--uses", "2", "--", "sh", "-c",
		with_intro("intro connect db; intro connect db; intro connect db; echo $?"));
	is(&twice, 0, "+\n+\n111\n");
	run_cli(&b, &nothing, "lend", "other", "--", "echo", "not run");
	is(&nothing, 1, "");
	cr_assert_not_null(strstr(nothing.err, "cannot lend \"other\""), "%s", nothing.err);
	end();
}

TEST(cli_lend, to_a_door_and_back)
{
	_cleanup_run_ struct run add, first, second, tree, graph, through, revoked, after, whole;
	char web[PATH_BYTES];
	json_t *json;

	begin();
	broker_door(&b, "web", web);
	run_cli(&b, &add, "door", "add", "web");
	run_cli(&b, &first, "lend", "db", "--to", "web", "--lifetime", "10m", "--label", "one");
	is(&first, 0, "");
	run_cli(&b, &second, "lend", "web/db", "--to", "web", "--as", "less", "--sessions", "1");
	is(&second, 0, "");
	run_cli(&b, &tree, "show", "db");
	cr_assert_not_null(strstr(tree.out, " granted to door web as db \"one\" (to connect, "
				  "expires in 9m 59s)\n   └─ "), "%s", tree.out);
	run_cli(&b, &graph, "graph");
	cr_assert_eq(strncmp(graph.out, "digraph introd {\n", 17), 0);
	cr_assert_not_null(strstr(graph.out, "-> \"door web\" [label=\"less\"]"), "%s", graph.out);
	CONNECT(&b, &through, "", "less", "--door", web);
	is(&through, 0, "one+\n");
	run_cli(&b, &revoked, "revoke", "web/db");
	is(&revoked, 0, "");
	CONNECT(&b, &after, "", "less", "--door", web);
	is(&after, 1, "");
	run_cli(&b, &whole, "list", "references", "db", "--json");
	json = json_of(whole.out);
	cr_assert_eq(json_array_size(json), 1, "only the service is left");
	json_decref(json);
	end();
}

TEST(cli_lend, gift_is_claimed_by_its_recipient)
{
	_cleanup_run_ struct run add, grant, denied, given, wrong, claimed, again, argv;
	char web[PATH_BYTES], gift[PATH_BYTES], from[PATH_BYTES + 8];

	begin();
	broker_door(&b, "web", web);
	snprintf(gift, sizeof gift, "%s/gift", b.dir);
	snprintf(from, sizeof from, "@%s", gift);
	run_cli(&b, &add, "door", "add", "web");
	run_cli(&b, &grant, "grant", "web", "db");
	run_cli(&b, &denied, "give", "db", "--door", web, "--to", "host");
	is(&denied, 1, "");
	run_cli(&b, &given, "give", "db", "--to", "web", "--uses", "1", "--label", "a gift");
	cr_assert_eq(given.out_len, 65, "%s%s", given.out, given.err);
	file_write(gift, given.out);
	run_cli(&b, &wrong, "claim", from, "--", "true");
	is(&wrong, 1, "");
	run_cli(&b, &claimed, "claim", from, "--door", web, "--as", "present", "--", "sh", "-c",
		with_intro("intro connect present; intro connect present; echo $?"));
	is(&claimed, 0, "a gift+\n111\n");
	run_cli(&b, &again, "claim", from, "--door", web, "--", "true");
	is(&again, 1, "");
	given.out[64] = '\0';
	run_cli(&b, &argv, "claim", given.out, "--", "true");
	is(&argv, 100, "");
	cr_assert_null(strstr(argv.err, given.out), "it is not repeated");
	MUST(unlink(gift));
	end();
}

/* With a leash the broker has a copy of the service's end. Its process's end is the session's all
 * the same; and so is a revocation, while it runs. */
TEST(cli_lend, leash_ends_with_process_or_reference)
{
	_cleanup_run_ struct run add, grant, another, ended, revoked;
	char web[PATH_BYTES], door[PATH_BYTES + 8];
	struct agent cat;
	int in[2], out[2];
	char byte = 0;
	pid_t pid;

	begin();
	SERVE(&b, &cat, "cat", "--", "cat");
	broker_door(&b, "web", web);
	snprintf(door, sizeof door, "--door=%s", web);
	run_cli(&b, &add, "door", "add", "web");
	run_cli(&b, &grant, "grant", "web", "db", "--leash");
	is(&grant, 0, "");
	run_cli(&b, &another, "grant", "web", "cat", "--leash");
	is(&another, 0, "");
	CONNECT(&b, &ended, "", "db", door);
	is(&ended, 0, "+\n");

	MUST(pipe(in));
	MUST(pipe(out));
	pid = spawn_cli(&b, (&(struct spawn){ .in = in[0], .out = out[1] }), "connect", "cat", door);
	close(in[0]);
	close(out[1]);
	MUST(write(in[1], "!", 1));
	cr_assert_eq(MUST(read(out[0], &byte, 1)), 1);
	run_cli(&b, &revoked, "revoke", "web/cat");
	is(&revoked, 0, "");
	cr_assert_eq(read(out[0], &byte, 1), 0, "the session has ended");
	child_wait(pid);
	close(in[1]);
	close(out[0]);
	cr_assert_eq(agent_stop(&cat), 0);
	end();
}

TEST(cli_lend, says_what_is_wrong)
{
	static const struct {
		const char *argv[8], *says;
	} cases[] = {
		{ { "lend", "db" }, "either -- PROGRAM or --to DOOR or --save FILE" },
		{ { "lend", "--", "true" }, "wanted: the name of what to lend" },
		{ { "lend", "db", "--to", "web", "--", "true" }, "either -- PROGRAM or --to DOOR" },
		{ { "lend", "db", "--uses", "0", "--", "true" }, "no number of uses" },
		{ { "lend", "db", "--rights", "all", "--", "true" }, "are no rights" },
		{ { "lend", "a/b", "--", "true" }, "\"a/b\" is no name" },
		{ { "revoke" }, "wanted: a reference" },
		{ { "give", "db" }, "wanted: a recipient" },
		{ { "claim", "-" }, "and -- PROGRAM" },
	};

	begin();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *argv[10] = { "intro" };
		_cleanup_run_ struct run r;

		memcpy(argv + 1, cases[i].argv, sizeof cases[i].argv);
		broker_cli(&b, &r, argv, 0);
		cr_expect_eq(r.status, 100, "case %zu: %d", i, r.status);
		cr_expect_not_null(strstr(r.err, cases[i].says), "case %zu: %s", i, r.err);
	}
	end();
}
