// The journey of a parcel as the customer sees it.

export type Status = "announced" | "collected" | "sorted" | "in_transit" | "customs" | "out_for_delivery" | "delivered" | "returned";

export interface TrackingEvent {
  id: number;
  time: string;
  place: string;
  status: Status;
}

const WORDS: Record<Status, string> = {
  announced: "The sender has announced the parcel",
  collected: "Picked up from the sender",
  sorted: "Sorted at a depot",
  in_transit: "On its way",
  customs: "Waiting for customs",
  out_for_delivery: "In the van, arriving today",
  delivered: "Handed over",
  returned: "Going back to the sender",
};

/** Puts the scans of two sources into one list without doubles, the oldest first. */
export function mergeEvents(left: TrackingEvent[], right: TrackingEvent[]): TrackingEvent[] {
  const byId = new Map([...left, ...right].map((event) => [event.id, event]));
  return [...byId.values()].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
}

/** Splits a list into one bucket for each calendar day, in the reader's time zone. */
export function groupByDay(events: TrackingEvent[], zone: string): Map<string, TrackingEvent[]> {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone: zone });
  const days = new Map<string, TrackingEvent[]>();
  for (const event of events) {
    const day = format.format(new Date(event.time));
    days.set(day, [...(days.get(day) ?? []), event]);
  }
  return days;
}

/** Says "5 minutes ago" or "in 2 days". */
export function relativeTime(moment: Date, now: Date = new Date()): string {
  const seconds = (moment.getTime() - now.getTime()) / 1000;
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ];
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return format.format(Math.round(seconds / length), unit);
  }
  return "just now";
}

/** Guesses when a parcel will be at the door: the median of how long others took from the same depot. */
export function estimateArrival(last: TrackingEvent, hoursOfOthers: number[]): Date | null {
  if (last.status === "delivered" || hoursOfOthers.length === 0) return null;
  const sorted = [...hoursOfOthers].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  return new Date(Date.parse(last.time) + median * 3_600_000);
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

export function renderTimeline(events: TrackingEvent[], zone: string): string {
  const days = [...groupByDay(events, zone)].map(([day, list]) => {
    const rows = list.map((event) => `<li class="${event.status}">${WORDS[event.status]} (${escapeHtml(event.place)})</li>`);
    return `<section><h3>${day}</h3><ol>${rows.join("")}</ol></section>`;
  });
  return days.reverse().join("\n");
}
