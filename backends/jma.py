"""Facts about the forecasts of the Japan Meteorological Agency: offices, their areas, weather codes.

Source: JMA's published code tables (予報区等コード, 天気コード); office positions are those of the prefectural towns.
"""

from __future__ import annotations

from dataclasses import dataclass

from backends.model import Position


@dataclass(frozen=True, slots=True)
class Area:
    """One of the areas (一次細分区域) an office's forecast is divided into."""

    code: str
    name: str
    position: Position


@dataclass(frozen=True, slots=True)
class Office:
    """A forecast office: the file it publishes and where its people live."""

    code: str
    """six digits: /bosai/forecast/data/forecast/{code}.json"""
    prefecture: str
    name: str
    """the region it forecasts, as JMA names it"""
    position: Position
    areas: tuple[Area, ...] = ()
    """in JMA's order, where their positions are known here (Kanto, Yamanashi, Shizuoka); else empty"""

    def distance_to(self, position: Position) -> float:
        """Metres to the nearest of its towns."""
        return min(position.distance_to(p) for p in (self.position, *(a.position for a in self.areas)))


_OFFICES = """
011000 北海道 宗谷地方 45.416 141.673
012000 北海道 上川・留萌地方 43.771 142.365
013000 北海道 網走・北見・紋別地方 44.021 144.273
014030 北海道 十勝地方 42.923 143.196
014100 北海道 釧路・根室地方 42.985 144.382
015000 北海道 胆振・日高地方 42.315 140.974
016000 北海道 石狩・空知・後志地方 43.062 141.354
017000 北海道 渡島・檜山地方 41.769 140.729
020000 青森県 青森県 40.824 140.740
030000 岩手県 岩手県 39.702 141.154
040000 宮城県 宮城県 38.268 140.872
050000 秋田県 秋田県 39.720 140.103
060000 山形県 山形県 38.255 140.340
070000 福島県 福島県 37.761 140.474
080000 茨城県 茨城県 36.366 140.471
090000 栃木県 栃木県 36.555 139.883
100000 群馬県 群馬県 36.389 139.063
110000 埼玉県 埼玉県 35.861 139.645
120000 千葉県 千葉県 35.607 140.106
130000 東京都 東京都 35.690 139.692
140000 神奈川県 神奈川県 35.444 139.638
150000 新潟県 新潟県 37.916 139.036
160000 富山県 富山県 36.695 137.211
170000 石川県 石川県 36.561 136.656
180000 福井県 福井県 36.064 136.220
190000 山梨県 山梨県 35.662 138.568
200000 長野県 長野県 36.649 138.194
210000 岐阜県 岐阜県 35.423 136.761
220000 静岡県 静岡県 34.976 138.383
230000 愛知県 愛知県 35.181 136.906
240000 三重県 三重県 34.719 136.506
250000 滋賀県 滋賀県 35.018 135.855
260000 京都府 京都府 35.012 135.768
270000 大阪府 大阪府 34.694 135.502
280000 兵庫県 兵庫県 34.690 135.196
290000 奈良県 奈良県 34.685 135.833
300000 和歌山県 和歌山県 34.226 135.168
310000 鳥取県 鳥取県 35.501 134.235
320000 島根県 島根県 35.468 133.048
330000 岡山県 岡山県 34.655 133.919
340000 広島県 広島県 34.385 132.455
350000 山口県 山口県 34.178 131.474
360000 徳島県 徳島県 34.071 134.555
370000 香川県 香川県 34.343 134.047
380000 愛媛県 愛媛県 33.839 132.766
390000 高知県 高知県 33.559 133.531
400000 福岡県 福岡県 33.590 130.402
410000 佐賀県 佐賀県 33.264 130.301
420000 長崎県 長崎県 32.750 129.878
430000 熊本県 熊本県 32.803 130.708
440000 大分県 大分県 33.239 131.609
450000 宮崎県 宮崎県 31.908 131.420
460040 鹿児島県 奄美地方 28.377 129.494
460100 鹿児島県 鹿児島県 31.596 130.557
471000 沖縄県 沖縄本島地方 26.212 127.681
472000 沖縄県 大東島地方 25.829 131.232
473000 沖縄県 宮古島地方 24.805 125.281
474000 沖縄県 八重山地方 24.341 124.156
"""

_AREAS = """
090010 南部 36.555 139.883
090020 北部 36.871 140.017
100010 南部 36.389 139.063
100020 北部 36.664 138.991
110010 南部 35.861 139.645
110020 北部 36.147 139.388
110030 秩父地方 35.992 139.085
120010 北西部 35.607 140.106
120020 北東部 35.735 140.827
120030 南部 34.997 139.870
130010 東京地方 35.690 139.692
130020 伊豆諸島北部 34.750 139.355
130030 伊豆諸島南部 33.113 139.790
130040 小笠原諸島 27.094 142.192
140010 東部 35.444 139.638
140020 西部 35.256 139.160
190010 中・西部 35.662 138.568
190020 東部・富士五湖 35.500 138.765
220010 中部 34.976 138.383
220020 伊豆 34.976 138.946
220030 東部 35.119 138.919
220040 西部 34.711 137.726
"""


def offices() -> tuple[Office, ...]:
    """Every office, north to south."""
    areas: dict[str, list[Area]] = {}
    for code, name, latitude, longitude in (line.split() for line in _AREAS.split("\n") if line):
        areas.setdefault(code[:2], []).append(Area(code, name, Position(float(latitude), float(longitude))))
    rows = (line.split() for line in _OFFICES.split("\n") if line)
    return tuple(
        Office(code, prefecture, name, Position(float(lat), float(lon)), tuple(areas.get(code[:2], ())))
        for code, prefecture, name, lat, lon in rows
    )


def nearest_office(position: Position, known: tuple[Office, ...]) -> Office:
    """The office that forecasts for `position`: the one with the nearest town."""
    return min(known, key=lambda office: office.distance_to(position))


_SNOW = frozenset({
    104, 105, 115, 116, 117, 124, 170, 181, 204, 205, 215, 216, 217, 228, 229, 230, 250, 270, 281, 340, 361, 371, 400,
    401, 402, 411, 413, 420, 421, 425, 450,
})  # fmt: skip
_SLEET = frozenset({
    106, 107, 118, 160, 206, 207, 218, 260, 303, 304, 309, 314, 315, 316, 317, 322, 326, 327, 329, 403, 409, 414, 422,
    423, 426, 427,
})  # fmt: skip
_THUNDER = frozenset({108, 119, 123, 125, 140, 208, 219, 240, 250, 350, 450})
_HEAVY_RAIN = frozenset({306, 308, 328})
_HEAVY_SNOW = frozenset({405, 406, 407, 425})
_FOG = frozenset({130, 131, 209, 231})
_DRY_CLEAR = frozenset({100})
_DRY_PARTLY = frozenset({101, 110, 111, 132, 201, 210, 211, 223})


def to_wmo(code: int) -> int | None:
    """The WMO 4677 code (as Open-Meteo uses it) nearest to a JMA weather code; None for a code that does not exist."""
    if not 100 <= code <= 499:
        return None
    if code in _THUNDER:
        return 95
    if code in _HEAVY_SNOW:
        return 75
    if code in _SLEET:
        return 68
    if code in _SNOW or code >= 400:
        return 73 if code >= 400 else 71
    if code in _HEAVY_RAIN:
        return 65
    if code in _FOG:
        return 45
    if code in _DRY_CLEAR:
        return 0
    if code in _DRY_PARTLY:
        return 2
    if code == 200:
        return 3
    # Rain "now and then" or "later" is slight; a day of rain is moderate.
    return 63 if code >= 300 else 61
