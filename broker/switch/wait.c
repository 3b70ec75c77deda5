/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waits of wait.h.
 */
#include "wait.h"

#include <errno.h>
#include <stdlib.h>

#include "board.h"
#include "conn.h"
#include "introduce.h"
#include "service.h"

static void wait_due(struct timer *t)
{
	struct wait *wait = list_entry(t, struct wait, timer);

	introduce_refuse(wait->conn, &wait->request, -ETIMEDOUT);
	wait_free(wait);
}

static struct wait *wait_new(struct conn *conn, const struct request *request)
{
	struct wait *wait = calloc(1, sizeof *wait);

	if (!wait)
		return NULL;
	wait->request = *request;
	wait->conn = conn;
	wait->fd = -1;
	wait->timer.due = wait_due;
	list_init(&wait->in_queue);
	list_append(&conn->waits, &wait->in_conn);
	return wait;
}

int wait_park(struct conn *conn, const struct request *request, struct list *queue,
	      struct service *service, uint64_t deadline_usec, struct wait **wait)
{
	if (!*wait) {
		if (!account_take(conn->account, conn->user, RESOURCE_WAITS))
			return -EDQUOT;
		*wait = wait_new(conn, request);
		if (!*wait) {
			account_give(conn->account, conn->user, RESOURCE_WAITS);
			return -ENOMEM;
		}
	}
	if (deadline_usec == UINT64_MAX)
		timer_disarm(&board.timers, &(*wait)->timer);
	else if (timer_arm(&board.timers, &(*wait)->timer, deadline_usec) < 0)
		return -ENOMEM;
	list_remove(&(*wait)->in_queue);
	list_append(queue, &(*wait)->in_queue);
	(*wait)->service = service;
	return 0;
}

void wait_resume_one(struct list *ready)
{
	struct wait *wait;

	if (list_empty(ready))
		return;
	wait = list_entry(ready->next, struct wait, in_queue);
	list_remove(&wait->in_queue);
	wait->service = NULL;
	if (wait->fd >= 0)
		introduce_fetched(wait);
	else
		introduce(wait->conn, &wait->request, wait);
}

void wait_resume_all(struct list *ready)
{
	while (!list_empty(ready))
		wait_resume_one(ready);
}

static int same_serial(const void *value, const void *key)
{
	return ((const struct wait *)value)->agent_serial == *(const uint32_t *)key;
}

int wait_for_agent(struct wait *wait, struct exporter *agent)
{
	struct conn *conn = agent->conn;
	uint32_t serial = ++conn->fetch_serial;
	int r = table_add(&conn->fetches, table_hash_number(serial), wait);

	if (r < 0)
		return r;
	wait->agent = agent;
	wait->agent_serial = serial;
	agent->fetching++;
	list_remove(&wait->in_queue);
	list_append(&agent->fetches, &wait->in_queue);
	return 0;
}

void wait_leave_agent(struct wait *wait)
{
	struct exporter *agent = wait->agent;

	if (!agent)
		return;
	wait->agent = NULL;
	agent->fetching--;
	table_remove(&agent->conn->fetches, table_hash_number(wait->agent_serial), wait);
	list_remove(&wait->in_queue);
}

struct wait *wait_of_agent(struct conn *agent, uint32_t serial)
{
	return table_find(&agent->fetches, table_hash_number(serial), same_serial, &serial);
}

/* A place at the agent is free. Whoever is next takes it soon, and not now: this may be in the
 * middle of anything. All are asked, since the first may be about to be freed, too. */
static void free_place(struct service *service)
{
	while (!list_empty(&service->waits)) {
		struct wait *next = list_entry(service->waits.next, struct wait, in_queue);

		next->service = NULL;
		wait_retry_later(next);
	}
}

void wait_free(struct wait *wait)
{
	struct conn *conn = wait->conn;
	struct service *asked = wait->agent ? wait->agent->service : NULL;

	wait_leave_agent(wait);
	if (asked)
		free_place(asked);
	timer_disarm(&board.timers, &wait->timer);
	list_remove(&wait->in_queue);
	list_remove(&wait->in_conn);
	account_give(conn->account, conn->user, RESOURCE_WAITS);
	if (wait->fd >= 0)
		reaper_take(&board.reaper, wait->fd);
	if (wait->service)
		service_settle(wait->service);
	free(wait);
}

struct wait *wait_find(struct conn *conn, uint32_t serial)
{
	list_foreach(it, &conn->waits) {
		struct wait *wait = list_entry(it, struct wait, in_conn);

		if (wait->request.serial == serial)
			return wait;
	}
	return NULL;
}

void wait_agent_gone(struct list *waits)
{
	list_foreach_safe(it, waits) {
		struct wait *wait = list_entry(it, struct wait, in_queue);

		wait_leave_agent(wait);
		introduce(wait->conn, &wait->request, wait);
	}
}
