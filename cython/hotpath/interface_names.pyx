# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3
"""Names of interfaces by index, ready to be copied into a JSON string."""

import json

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove


def name_text(name: str | bytes) -> bytes:
    """The name between the quotes of a JSON string.

    The kernel takes any byte but '/', ':' and white space. What is not UTF-8, and control
    characters, become U+FFFD.
    """
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    if len(raw) > MAX_NAME_BYTES:
        raise ValueError(f"interface name {name!r}: more than {MAX_NAME_BYTES} bytes")
    text = raw.decode("utf-8", "replace")
    text = "".join("\ufffd" if character < " " else character for character in text)
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()


cdef class InterfaceNames:
    """A sorted array: looked into once per new flow, changed when an interface comes or goes."""

    def __dealloc__(self):
        free(self.names)

    cdef size_t place_of(self, uint32_t ifindex) noexcept nogil:
        """Where it is, or where it would go."""
        cdef size_t low = 0, high = self.count, middle
        while low < high:
            middle = (low + high) // 2
            if self.names[middle].ifindex < ifindex:
                low = middle + 1
            else:
                high = middle
        return low

    cdef const interface_name *find(self, uint32_t ifindex) noexcept nogil:
        """The name, or NULL."""
        cdef size_t place = self.place_of(ifindex)
        if place < self.count and self.names[place].ifindex == ifindex:
            return &self.names[place]
        return NULL

    cdef bint set(self, uint32_t ifindex, name) except -1:
        """Set or replace a name; an empty one is forgotten. True if that changed anything."""
        cdef bytes text = name_text(name)
        cdef size_t place = self.place_of(ifindex)
        cdef interface_name *entry
        cdef bint known = place < self.count and self.names[place].ifindex == ifindex
        if not known:
            if not text:
                return False
            if self.count == self.allocated:
                self.grow()
            entry = &self.names[place]
            memmove(entry + 1, entry, (self.count - place) * sizeof(interface_name))
            self.count += 1
        else:
            entry = &self.names[place]
            if entry.length == len(text) and memcmp(entry.text, <const char *>text, len(text)) == 0:
                return False
            if not text:
                self.count -= 1
                memmove(entry, entry + 1, (self.count - place) * sizeof(interface_name))
                return True
        entry.ifindex = ifindex
        entry.length = len(text)
        memcpy(entry.text, <const char *>text, len(text))
        return True

    cdef int grow(self) except -1:
        cdef size_t wanted = 2 * self.allocated or 16
        cdef interface_name *names = <interface_name *>realloc(
            self.names, wanted * sizeof(interface_name)
        )
        if names == NULL:
            raise MemoryError
        self.names = names
        self.allocated = wanted
        return 0
