"""When a rule speaks: every threshold in one frozen value, so that a change is data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds of all rules; ``docs/reference/surveillance.md`` has them as a table.

    Shares are millionths (``ppm``), times market milliseconds, quantities chip-hours.

    Attributes:
        wash_chip_hours_min: Least volume traded with oneself, or round a ring, in a pool.
        wash_share_ppm: Least share of the owner's volume in the pool that this must be.
        layering_before_ms: How long before a seal a withdrawal counts.
        layering_cancelled_ppm: Least share of the opposite orders that was withdrawn.
        layering_multiple_ppm: Least ratio of what was withdrawn to what was filled.
        layering_orders_min: Least number of orders withdrawn over the day.
        stuffing_fleeting_ms: A change or withdrawal this soon after the last message is fleeting.
        stuffing_messages_min: Least number of fleeting messages over the day.
        stuffing_window_ms: Length of a burst.
        stuffing_burst_min: Least messages within one burst.
        stuffing_per_fill_min: Least messages per order that was filled.
        marking_before_ms: How long before a seal an order is late.
        marking_share_ppm: Least share of the round's volume in a pool by late orders of one owner.
        marking_move_ppm: Least move of the pool's price against the other rounds.
        marking_rounds_min: Least number of such rounds.
        withholding_price_ppm: Price is high from this ratio to the pool's median on.
        withholding_rise_ppm: Least ratio of an hour's last price to that before the withdrawal.
        withholding_own_ppm: Least share of the owner's capacity that was taken away.
        withholding_pool_ppm: The same of the pool's capacity.
        withholding_ask_ppm: Ask is prohibitive from this ratio to the owner's other asks on.
        withholding_orders_min: Least number of offers withdrawn or priced out.
        withholding_periods_min: Least number of periods.
        concentration_hhi_min: Least Herfindahl-Hirschman index, 0 to 10,000.
        concentration_top_ppm: Least share of the largest owner.
        concentration_chip_hours_min: Least volume of the day.
        concentration_periods_min: Least number of delivery periods with trade.
        pivotal_price_ppm: Price is high from this ratio to the median on.
        pivotal_periods_min: Least number of periods in which the supplier was indispensable.
        outlier_deviations: Reference deviations that a price must be off.
        outlier_ratio_ppm: Least ratio to the reference, or of the reference to it.
        outlier_samples_min: Least prices that make a reference.
    """

    wash_chip_hours_min: int = 200
    wash_share_ppm: int = 500_000
    layering_before_ms: int = 120_000
    layering_cancelled_ppm: int = 800_000
    layering_multiple_ppm: int = 2_000_000
    layering_orders_min: int = 3
    stuffing_fleeting_ms: int = 10_000
    stuffing_messages_min: int = 200
    stuffing_window_ms: int = 60_000
    stuffing_burst_min: int = 60
    stuffing_per_fill_min: int = 20
    marking_before_ms: int = 10_000
    marking_share_ppm: int = 500_000
    marking_move_ppm: int = 200_000
    marking_rounds_min: int = 2
    withholding_price_ppm: int = 1_500_000
    withholding_rise_ppm: int = 1_250_000
    withholding_own_ppm: int = 300_000
    withholding_pool_ppm: int = 150_000
    withholding_ask_ppm: int = 3_000_000
    withholding_orders_min: int = 2
    withholding_periods_min: int = 4
    concentration_hhi_min: int = 5_000
    concentration_top_ppm: int = 700_000
    concentration_chip_hours_min: int = 1_000
    concentration_periods_min: int = 6
    pivotal_price_ppm: int = 1_500_000
    pivotal_periods_min: int = 4
    outlier_deviations: int = 10
    outlier_ratio_ppm: int = 8_000_000
    outlier_samples_min: int = 20


DEFAULTS = Thresholds()
"""What is in force unless a test says otherwise."""
