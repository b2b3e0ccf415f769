/* SPDX-License-Identifier: MIT */
/* Asks the server on the loop. */
#include "prober.h"

#include <errno.h>
#include <poll.h>

/*
 * One question at a time. libuv knows a poll handle by its descriptor's number, which the next
 * socket will have too, so the handle is closed first, then the descriptor, one turn of the loop
 * later in on_closed(); from there things go on.
 */

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

	prober->is_asking = false;
	prober->is_given_up = false;
	if (delay_ms > 0)
		set_timer(prober, delay_ms);
	else
		(void)uv_timer_stop(&prober->timer);
}

static void follow(struct prober *prober);

/* The verdict on this address is there, and no handle on its descriptor. */
static void
settle(struct prober *prober)
{
	enum health_fact fact;

	if (probe_next(&prober->probe, now_us())) {
		follow(prober);
		return;
	}
	fact = health_take(&prober->health, &prober->probe.verdict, now_ms());
	rest(prober);
	if (fact != HEALTH_NOTHING)
		prober->spec.on_fact(prober->spec.arg, fact);
}

static void
on_closed(uv_handle_t *handle)
{
	struct prober *prober = handle->data;

	if (!prober->is_given_up) {
		settle(prober);
		return;
	}
	probe_close(&prober->probe);
	rest(prober);
}

static void
close_poll(struct prober *prober)
{
	(void)uv_timer_stop(&prober->timer);
	if (!uv_is_closing((uv_handle_t *)&prober->poll))
		uv_close((uv_handle_t *)&prober->poll, on_closed);
}

static void on_socket(uv_poll_t *poll, int status, int events);

static int
watch_socket(struct prober *prober)
{
	int events = (prober->probe.events & POLLOUT) ? UV_WRITABLE : UV_READABLE;

	return uv_poll_start(&prober->poll, events, on_socket);
}

static void
on_socket(uv_poll_t *poll, int status, int events)
{
	struct prober *prober = poll->data;

	(void)status; /* a broken connection is what the probe finds out by itself */
	(void)events;
	if (probe_go_on(&prober->probe, now_us()) == PROBE_PENDING)
		(void)watch_socket(prober);
	else
		close_poll(prober);
}

/* Go on with a question that was sent, or settle it at once. */
static void
follow(struct prober *prober)
{
	int status;

	if (prober->probe.verdict.result != PROBE_PENDING) {
		settle(prober);
		return;
	}
	status = uv_poll_init(prober->loop, &prober->poll, prober->probe.fd);
	if (status < 0) {
		prober->probe.verdict = (struct probe_verdict){
			.result = PROBE_ERROR, .reason = PROBE_CANNOT_ASK, .error = -status
		};
		settle(prober);
		return;
	}
	prober->poll.data = prober;
	(void)watch_socket(prober);
}

static void
ask(struct prober *prober)
{
	prober->is_asking = true;
	set_timer(prober, prober->spec.probe.timeout_ms);
	(void)probe_start(&prober->probe, &prober->spec.probe, now_us());
	follow(prober);
}

/* The question is on its way, and nobody wants to hear the answer. */
static void
give_up(struct prober *prober)
{
	prober->is_given_up = true;
	close_poll(prober);
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
		give_up(prober);
	} else {
		(void)probe_expire(&prober->probe, now_us());
		close_poll(prober);
	}
}

/* ---- the public ones ---- */

void
prober_open(struct prober *prober, uv_loop_t *loop, const struct prober_spec *spec)
{
	prober->spec = *spec;
	prober->loop = loop;
	prober->is_wanted = prober->is_asking = prober->is_given_up = false;
	prober->is_open = true;
	health_init(&prober->health, &spec->policy);
	(void)uv_timer_init(loop, &prober->timer); /* cannot fail */
	prober->timer.data = prober;
}

void
prober_begin(struct prober *prober, uint64_t started_ms)
{
	if (!prober->is_open)
		return;
	health_begin(&prober->health, started_ms);
	prober->is_wanted = true;
	if (prober->is_asking)
		give_up(prober);
	else
		rest(prober);
}

void
prober_end(struct prober *prober)
{
	if (!prober->is_open || !prober->is_wanted)
		return;
	prober->is_wanted = false;
	if (prober->is_asking)
		give_up(prober);
	else
		(void)uv_timer_stop(&prober->timer);
}

void
prober_close(struct prober *prober)
{
	if (!prober->is_open)
		return;
	prober_end(prober);
	prober->is_open = false;
	uv_close((uv_handle_t *)&prober->timer, NULL);
}
