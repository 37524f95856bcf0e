"""Code tables of the synthetic city: small samples, enough to look right and to join.

District codes are of the GB/T 2260 kind, populations those of the seventh census (1 November 2020, the ten
add up to 10,071,722). Industries are samples of GB/T 4754-2017. Sex follows GB/T 2261.1, marriage GB/T 2261.2,
education GB/T 4658, economic types GB/T 12402. Everything numeric about sections (weights, people, money,
kilowatt-hours) is a design value chosen for plausible data, not an official statistic.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class District:
    """A county-level district: code, name, census population, housing price in yuan per square metre."""

    code: str
    name: str
    population: int
    price: int
    streets: tuple[str, ...]
    """A sample of its nine-digit street codes."""
    retired: str | None = None
    """A code since merged into this district; it stays valid for life inside older household registers."""


DISTRICTS = (
    District(
        "370202",
        "市南区",
        486_643,
        36_000,
        ("370202001", "370202002", "370202004", "370202005", "370202007"),
    ),
    District(
        "370203",
        "市北区",
        1_096_879,
        22_000,
        ("370203005", "370203008", "370203011", "370203013", "370203014", "370203015"),
        "370205",
    ),
    District(
        "370211",
        "黄岛区",
        1_903_595,
        15_000,
        ("370211001", "370211002", "370211003", "370211004", "370211005", "370211006"),
        "370284",
    ),
    District(
        "370212",
        "崂山区",
        502_370,
        34_000,
        ("370212001", "370212002", "370212003", "370212004", "370212005"),
    ),
    District(
        "370213",
        "李沧区",
        737_281,
        19_000,
        ("370213001", "370213003", "370213004", "370213005", "370213006"),
    ),
    District(
        "370214",
        "城阳区",
        1_109_606,
        14_000,
        ("370214001", "370214002", "370214003", "370214004", "370214005"),
    ),
    District(
        "370215",
        "即墨区",
        1_336_077,
        10_500,
        ("370215001", "370215002", "370215003", "370215004", "370215005"),
        "370282",
    ),
    District(
        "370281",
        "胶州市",
        987_820,
        9_000,
        ("370281001", "370281002", "370281004", "370281006", "370281007"),
    ),
    District(
        "370283",
        "平度市",
        1_191_348,
        6_500,
        ("370283001", "370283002", "370283003", "370283004", "370283005"),
    ),
    District(
        "370285",
        "莱西市",
        720_103,
        6_000,
        ("370285001", "370285002", "370285007", "370285101", "370285102"),
    ),
)
CITY_POPULATION = 10_071_722


@dataclass(frozen=True)
class Section:
    """An industry section with the norms every firm of it is drawn around."""

    letter: str
    weight: float
    """Share of enterprises in percent, before normalising; non-enterprise units are drawn from their own list."""
    headcount: float
    """Mean of the logarithm of the employees of a company."""
    revenue: float
    """Yuan per employee and year."""
    power: float
    """Kilowatt-hours per employee and month."""
    wage: float
    """Logarithm of the monthly wage in yuan of a worker without experience."""
    penalty: float
    """Shift of the logarithm of the penalty rate."""
    word: str
    """What firms of this section put in their names."""
    industries: tuple[str, ...]


SECTIONS = (
    Section("A", 3.0, 0.9, 150e3, 120, 8.20, 0.0, "农业", ("A0141", "A0143", "A0159", "A0211", "A0391")),
    Section("B", 0.1, 1.8, 700e3, 900, 8.55, 0.5, "矿业", ("B0921", "B1011")),
    Section(
        "C",
        12.0,
        1.5,
        600e3,
        600,
        8.45,
        0.4,
        "机械",
        ("C3873", "C3939", "C3434", "C3057", "C2462", "C1954", "C3029"),
    ),
    Section("D", 0.2, 1.6, 1.2e6, 1500, 8.60, 0.1, "能源", ("D4411", "D4415", "D4417", "D4420", "D4513")),
    Section("E", 7.0, 1.4, 500e3, 80, 8.40, 0.5, "建筑", ("E4813", "E4852", "E5012", "E5021", "E4862")),
    Section(
        "F",
        38.0,
        0.8,
        1.0e6,
        90,
        8.30,
        0.0,
        "商贸",
        ("F5136", "F5168", "F5193", "F5223", "F5229", "F5255", "F5292"),
    ),
    Section("G", 6.0, 1.2, 450e3, 150, 8.45, 0.4, "物流", ("G5439", "G5442", "G5443", "G5539")),
    Section("H", 6.0, 1.0, 180e3, 220, 8.20, 0.3, "餐饮", ("H6129", "H6210", "H6220", "H6232", "H6233")),
    Section("I", 7.0, 1.1, 500e3, 250, 8.70, -0.5, "信息", ("I6319", "I6421", "I6434", "I6512", "I6599")),
    Section("J", 0.4, 1.6, 900e3, 120, 8.75, -0.2, "投资", ("J6851", "J6919", "J6940")),
    Section("K", 5.0, 1.2, 800e3, 150, 8.40, 0.1, "置业", ("K7010", "K7020", "K7030", "K7040", "K7090")),
    Section("L", 9.0, 0.9, 400e3, 80, 8.40, -0.2, "服务", ("L7129", "L7224", "L7241", "L7262", "L7284")),
    Section("M", 5.0, 1.0, 450e3, 100, 8.60, -0.4, "科技", ("M7340", "M7451", "M7453", "M7459", "M7499")),
    Section("N", 0.3, 1.3, 250e3, 130, 8.30, 0.2, "环境", ("N7716", "N7723", "N7724", "N7920")),
    Section("O", 3.0, 0.8, 150e3, 110, 8.20, 0.0, "维修", ("O8020", "O8030", "O8111", "O8193", "O8290")),
    Section("P", 0.4, 1.6, 150e3, 90, 8.50, 0.0, "教育", ("P8310", "P8342", "P8393", "P8399")),
    Section("Q", 0.3, 1.6, 200e3, 160, 8.50, 0.1, "康养", ("Q8433", "Q8499", "Q8512", "Q8521")),
    Section("R", 0.3, 1.0, 200e3, 150, 8.35, 0.0, "文体", ("R8750", "R8820", "R8911", "R8929")),
    Section("S", 0.0, 1.4, 100e3, 90, 8.45, -0.8, "社会事务", ("S9224", "S9291", "S9490")),
    Section("T", 0.0, 1.0, 200e3, 90, 8.60, -0.8, "国际交流", ("T9700",)),
)
SECTION_LETTERS = tuple(section.letter for section in SECTIONS)
LONELY_SECTION = SECTION_LETTERS.index("T")
"""Nothing is drawn into this section; exactly one firm is planted there, so its cell has one unit at any scale."""
SECTION_GIANTS = (SECTION_LETTERS.index("I"), SECTION_LETTERS.index("D"))
"""Sections in which one giant dominates the whole section, not only its district."""
NON_ENTERPRISE_SECTIONS = {"P": 30.0, "Q": 25.0, "R": 15.0, "S": 20.0, "N": 10.0}

SUBJECT_CLASSES = ("E", "I", "C", "N")
E, I, C, N = range(4)  # noqa: E741 - the registry's own one-letter codes
CLASS_SHARES = (0.33, 0.60, 0.03, 0.04)
ENT_TYPES = (("173", "159", "160", "171", "210", "310"), ("400",), ("140",), ("900",))
NAME_ENDINGS = ("有限公司", "经营部", "农民专业合作社", "服务中心")
STATUSES = ("存续", "注销", "吊销", "迁出")
SCALES = ("微", "小", "中", "大")
ROLES = ("法定代表人", "股东", "董事", "监事", "经理")

# Thresholds (medium-to-large, small-to-medium, micro-to-small) on employees and on annual revenue in yuan, after
# the idea of the 2017 statistical size classes; sections not named here go by employees alone.
SIZE_RULES: dict[str, tuple[tuple[int, int, int] | None, tuple[float, float, float] | None]] = {
    "B": ((1000, 300, 20), (400e6, 20e6, 3e6)),
    "C": ((1000, 300, 20), (400e6, 20e6, 3e6)),
    "D": ((1000, 300, 20), (400e6, 20e6, 3e6)),
    "E": (None, (800e6, 60e6, 3e6)),
    "F": ((200, 50, 5), (400e6, 50e6, 10e6)),
    "G": ((1000, 300, 20), (300e6, 30e6, 2e6)),
    "H": ((300, 100, 10), (100e6, 20e6, 1e6)),
    "I": ((300, 100, 10), (100e6, 10e6, 0.5e6)),
    "A": (None, (200e6, 5e6, 0.5e6)),
}
SIZE_RULE_OTHERS = ((300, 100, 10), None)

DEPARTMENTS = (
    ("市市场监管局", "监", 0.34),
    ("市生态环境局", "环", 0.12),
    ("市交通运输局", "交", 0.12),
    ("市应急管理局", "应急", 0.10),
    ("市税务局", "税", 0.10),
    ("市住房城乡建设局", "建", 0.10),
    ("市消防救援支队", "消", 0.08),
    ("市人力资源社会保障局", "人社", 0.04),
)
"""Enforcing department, its word in a decision number, share of the penalties."""
PENALTY_KINDS = (("罚款", 0.72), ("警告", 0.14), ("没收违法所得", 0.09), ("责令停产停业", 0.05))
WARNING = 1
COURTS = tuple(f"{district.name}人民法院" for district in DISTRICTS)
PERFORMANCES = ("全部未履行", "部分未履行")


@dataclass(frozen=True)
class CreditList:
    """A joint reward or punishment list: code, polarity (R red, B black), keeper, usual validity in days."""

    code: str
    polarity: str
    keeper: str
    validity: int
    measures: tuple[str, ...]
    """Codes into the national list of measures; the edition is declared in the catalogue."""


LISTS = (
    CreditList("COURT_DISHONEST", "B", "市中级法院", 730, ("1.03", "1.04", "2.01", "3.02")),
    CreditList("TAX_MAJOR", "B", "市税务局", 1095, ("1.04", "2.01", "2.04", "3.02")),
    CreditList("WAGE_ARREARS", "B", "市人力资源社会保障局", 1095, ("2.01", "2.03", "3.01")),
    CreditList("MKT_SERIOUS", "B", "市市场监管局", 1095, ("1.02", "2.04", "3.02")),
    CreditList("MKT_ABNORMAL", "B", "市市场监管局", 1095, ("2.04",)),
    CreditList("TAX_A", "R", "市税务局", 365, ("R.01", "R.02")),
    CreditList("AEO", "R", "青岛海关", 1095, ("R.01",)),
)
LIST_CODES = tuple(entry.code for entry in LISTS)

UTILITY_KINDS = ("电", "水", "气")
UTILITY_TARIFFS = (0.72, 5.1, 3.9)
"""Yuan per kilowatt-hour or cubic metre."""
FIRM_PRODUCTS = ("流动资金贷款", "经营快贷", "固定资产贷款")
PERSON_PRODUCTS = ("消费贷款", "住房按揭贷款", "个人经营贷款")
GUARANTEES = ("信用", "抵押", "保证")
FIVE_CLASSES = ("正常", "关注", "次级", "可疑", "损失")
GRANTEES = (("bank_a", 0.92), ("bank_b", 0.05), ("agency_c", 0.03))
PURPOSES = ("LOAN_ORIGINATION", "POST_LOAN", "MODEL_BUILD", "MARKETING")
SCOPES = (
    ("reg", "tax", "ss", "pen", "court", "list"),
    ("reg", "tax", "ss", "utl", "pen", "court", "list"),
    ("ss", "hf"),
    ("ss", "hf", "re", "court", "list"),
)

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹"
    "袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉萍红玲志建国文"
    "辉力健斌波鑫宇浩凯晨雪梅琳欣怡佳悦思雨梓涵子轩一诺然俊琪瑶"
)
BRAND = (
    "海宏瑞达鼎盛恒信诚泰安康顺利兴旺隆昌永丰源泉金银星辰东方华美德仁"
    "和众联合创新智慧云天蓝山青松柏翠竹鸿运嘉禾万润博远航启明卓越凌志腾飞"
)
