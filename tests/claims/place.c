/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The place of place.h.
 */
#include "place.h"

#include <sys/resource.h>
#include <unistd.h>

void place_start(struct place *p)
{
	broker_start(&p->b, &(struct broker_options){ .countable = true });
	cr_assert_eq(broker_add_door(&p->b, "bad"), 0);
	cr_assert_eq(broker_add_door(&p->b, "good"), 0);
	cr_assert_eq(broker_grant(&p->b, "bad", "db", RIGHT_CONNECT), 0);
	cr_assert_eq(broker_grant(&p->b, "bad", "own", RIGHTS_ALL), 0);
	cr_assert_eq(broker_grant(&p->b, "good", "db", RIGHT_CONNECT), 0);
	broker_door(&p->b, "bad", p->bad);
	broker_door(&p->b, "good", p->good);
	p->db = greeter(p->b.host, "db");
	p->neighbour = raw_open(p->bad);
	p->serial = 1;
	cr_assert_eq(raw_find(p->neighbour, p->serial, p->serial, "db"), 0);
	p->room = broker_switch_pid(&p->b, 0);
	p->parent_fds = parent_fds_at_rest(&p->b);
	p->fds = broker_fds_at_rest(&p->b);
	be_greeted(p->bad, "db");
	be_greeted(p->good, "db");
}

void place_check(struct place *p)
{
	p->serial++;
	cr_assert_eq(raw_find(p->neighbour, p->serial, p->serial, "db"), 0);
	be_greeted(p->bad, "db");
	be_greeted(p->good, "db");
	cr_assert_eq(broker_switch_pid(&p->b, 0), p->room);
}

void place_end(struct place *p)
{
	place_check(p);
	cr_assert(broker_fds_settle(&p->b, p->fds), "%d descriptors in the switch, not %d",
		  broker_fd_count(&p->b), p->fds);
	cr_assert(parent_fds_settle(&p->b, p->parent_fds), "%d descriptors in the parent, not %d",
		  parent_fds_at_rest(&p->b), p->parent_fds);
	close(p->neighbour);
	child_kill(p->db);
	broker_stop(&p->b);
}

void need_descriptors(unsigned int n)
{
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	NEED(limit.rlim_max >= n, "%u descriptors are not allowed", n);
	limit.rlim_cur = limit.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
}
