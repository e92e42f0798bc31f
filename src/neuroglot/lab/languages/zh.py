"""Chinese phrases of the lab, in simplified characters."""

from neuroglot.lab.phrasebook import Phrasebook, lines, table

PHRASEBOOK = Phrasebook(
    code="zh",
    subjects=lines("""
        老师
        我哥哥
        我妹妹
        医生
        女孩
        男孩
        我妈妈
        农民
        老太太
        我爸爸
        邻居
        我女儿
        学生
        厨师
    """),
    predicates=lines("""
        看一本书
        喝茶
        在花园里工作
        买面包
        写一封信
        煮米饭
        唱一首歌
        去学校
        在家睡觉
        踢足球
        看一部电影
        吃一个苹果
        打扫房子
        等公共汽车
        听音乐
        打开窗户
        学一门新语言
        卖蔬菜
        帮助孩子们
        找钥匙
        喝冷水
        关门
        讲一个故事
        买一份报纸
    """),
    adverbials=lines("""
        早上
        傍晚
        今天
        夜里
        每天
        夏天
        冬天
        午饭后
        经常
        周末
        中午
        有时候
    """),
    clauses=lines("""
        房子很大
        大海很平静
        夜很长
        路上空无一人
        阳光灿烂
        正在下雨
        饭菜准备好了
        窗户开着
        门关着
        水很凉
        汤很热
        孩子们在玩
        鸟儿在唱歌
        城市很美
        商店关门了
        火车晚点了
        工作很辛苦
        时间很短
        花园是绿色的
        天空是蓝色的
        面包很新鲜
        问题很容易
        答案是正确的
        狗在睡觉
    """),
    things=lines("""
        书
        钥匙
        杯子
        包
        信
        灯
        电话
        帽子
        球
        刀
        椅子
        瓶子
        大衣
        报纸
    """),
    places=lines("""
        桌子上
        厨房里
        床底下
        汽车里
        家里
        办公室里
        地板上
        窗边
        盒子里
        门后面
    """),
    names=("安娜", "玛丽亚", "阿里", "法蒂玛", "大卫", "萨拉", "奥马尔", "伊万", "丹尼尔", "劳拉", "优素福", "埃琳娜"),
    templates=table("""
        narrative = {adverb}，{subject}{predicate}。
        both = {first}，而且{second}。
        but = {first}，但是{second}。
        says = {subject}说：{clause}。
        located = {thing}在{place}。
        name = 我叫{name}。年龄：{age}。
        today = 今天是{full_date}。
        meeting = 会议：{full_date}，{time}。
        country = 国家：{country}。货币：{currency}。
        price = 价格：{amount}。
        weather = 今天的天气：{country}，{celsius}。
        weight = {thing}在这里。重量：{kilograms}。
        ago = 那是{ago}的事。
        number = 数字{digits}这样写：{words}。
        sum = {first}加{second}等于{total}。
        list = 国家：{countries}。
    """),
    questions=table("""
        iso_date = 日期：{date}。ISO格式：
        number = 数：{words}。用数字写：
        greater = 哪个数更大，{first}还是{second}？回答：
        counting = 数数：{numbers}。下一个数：
        currency = 姓名：{name}。国家：{country}。货币：
        sum = {first}加{second}等于多少？回答：
        translation = {source_name}：{phrase}。{target_name}：
    """),
    joiner="",
    comma="、",
)
