/* SPDX-License-Identifier: MIT */
/* Asks the server on the loop. */
#include "prober.h"

#include <poll.h>
#include <sys/epoll.h>

static uint64_t
now_us(void)
{
	return uv_hrtime() / 1000;
}

static uint64_t
now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void on_timer(uv_timer_t *timer);

static void
set_timer(struct prober *prober, uint64_t delay_ms)
{
	uv_update_time(prober->loop);
	prober->due_ms = now_ms() + delay_ms;
	(void)uv_timer_start(&prober->timer, on_timer, delay_ms, 0); /* fails only while closing */
}

/* Nothing is on its way: wait for the next question, if there is to be one. */
static void
rest(struct prober *prober)
{
	uint64_t delay_ms = prober->is_wanted ? health_delay(&prober->health, now_ms()) : 0;

	probe_close(&prober->probe);
	prober->is_asking = false;
	if (delay_ms > 0)
		set_timer(prober, delay_ms);
	else
		(void)uv_timer_stop(&prober->timer);
}

typedef int watch_how(struct pollset *set, int fd, uint32_t events, struct pollset_entry *entry);

/* Watch the probe's socket for what it waits for; closing it, which nobody else has, ends that. */
static void
watch_socket(struct prober *prober, watch_how *how)
{
	struct probe *probe = &prober->probe;
	uint32_t events = (probe->events & POLLOUT) ? EPOLLOUT : EPOLLIN;
	int status = how(&prober->set, probe->fd, events, &prober->entry);

	if (status < 0)
		probe->verdict = (struct probe_verdict){ .result = PROBE_ERROR,
			.reason = PROBE_CANNOT_ASK,
			.error = -status,
			.address = probe->verdict.address };
}

/* As long as there is a verdict on this address: the next one, or the end. */
static void
settle(struct prober *prober)
{
	const struct probe *probe = &prober->probe;
	enum health_fact fact;

	while (probe->verdict.result != PROBE_PENDING && probe_next(&prober->probe, now_us()))
		if (probe->verdict.result == PROBE_PENDING)
			watch_socket(prober, pollset_add);
	if (probe->verdict.result == PROBE_PENDING)
		return;
	fact = health_take(&prober->health, &probe->verdict, now_ms());
	rest(prober);
	if (fact != HEALTH_NOTHING)
		prober->spec.on_fact(prober->spec.arg, fact);
}

static void
on_ready(void *arg, uint32_t events)
{
	struct prober *prober = arg;

	(void)events;
	if (!prober->is_asking)
		return;
	if (probe_go_on(&prober->probe, now_us()) == PROBE_PENDING)
		watch_socket(prober, pollset_change);
	settle(prober);
}

static void
ask(struct prober *prober)
{
	prober->is_asking = true;
	set_timer(prober, prober->spec.probe.timeout_ms); /* for all addresses */
	if (probe_start(&prober->probe, &prober->spec.probe, now_us()) == PROBE_PENDING)
		watch_socket(prober, pollset_add);
	settle(prober);
}

static void
on_timer(uv_timer_t *timer)
{
	struct prober *prober = timer->data;
	bool stood_still = now_ms() > prober->due_ms + HEALTH_LAG_MS;

	if (stood_still)
		health_forget(&prober->health);
	if (!prober->is_asking) {
		ask(prober);
	} else if (stood_still) {
		rest(prober);
	} else {
		(void)probe_expire(&prober->probe, now_us());
		settle(prober);
	}
}

/* ---- the public ones ---- */

int
prober_open(struct prober *prober, uv_loop_t *loop, const struct prober_spec *spec)
{
	int status;

	prober->spec = *spec;
	prober->loop = loop;
	prober->probe.fd = -1;
	prober->is_wanted = prober->is_asking = false;
	health_init(&prober->health, &spec->policy);
	prober->entry = (struct pollset_entry){ .on_ready = on_ready, .arg = prober };
	status = pollset_open(&prober->set, loop);
	if (status < 0)
		return status;
	(void)uv_timer_init(loop, &prober->timer); /* cannot fail */
	prober->timer.data = prober;
	return 0;
}

void
prober_begin(struct prober *prober, uint64_t started_ms)
{
	health_begin(&prober->health, started_ms);
	prober->is_wanted = true;
	rest(prober);
}

void
prober_begin_now(struct prober *prober, uint64_t started_ms)
{
	prober_begin(prober, started_ms);
	ask(prober);
}

void
prober_mark(struct prober *prober, unsigned char mark)
{
	prober->spec.probe.mark = mark;
}

void
prober_end(struct prober *prober)
{
	prober->is_wanted = false;
	rest(prober);
}

void
prober_close(struct prober *prober)
{
	prober_end(prober);
	uv_close((uv_handle_t *)&prober->timer, NULL);
	pollset_close(&prober->set);
}
