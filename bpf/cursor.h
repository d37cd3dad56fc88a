/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the parsers are in a packet.
 *
 * No length in a header is trusted beyond the frame: `end` starts as the end
 * of the frame and an IP header can only bring it nearer.
 */
#ifndef STREAMER_CURSOR_H
#define STREAMER_CURSOR_H

#include "event.h"
#include "load.h"
#include "maps.h"

struct cursor {
	struct frame frame;
	struct position *at;
};

/* A parser's last words: why it does not go on. */
static __always_inline int stop(struct packet_event *event, __u16 flag)
{
	event->parse |= flag;
	return -1;
}

/* Copies a header without moving on. Bytes after the packet's end, such as
 * Ethernet's padding, are no header. */
static __always_inline int peek(const struct cursor *cursor, void *to, const __u32 size)
{
	__u64 offset = cursor->at->offset;

	if (offset + size > cursor->at->end)
		return -1;
	return load_bytes(&cursor->frame, offset, to, size);
}

/* What the packet has after the cursor. */
static __always_inline __u32 rest(const struct cursor *cursor)
{
	__u32 offset = cursor->at->offset, end = cursor->at->end;

	return offset < end ? end - offset : 0;
}

/* Steps over a header whose bytes need not be read. */
static __always_inline void skip(struct cursor *cursor, __u32 size, struct packet_event *event)
{
	__u32 offset = cursor->at->offset + size;

	cursor->at->offset = offset;
	if (offset > cursor->at->end || offset > cursor->frame.captured)
		event->parse |= PARSE_TRUNCATED;
}

#endif
