"""Japanese phrases of the lab, in the polite present."""

from neuroglot.lab.phrasebook import Phrasebook, lines, table

PHRASEBOOK = Phrasebook(
    code="ja",
    subjects=lines("""
        先生
        私の兄
        私の妹
        医者
        女の子
        男の子
        私の母
        農家の人
        おばあさん
        私の父
        隣の人
        私の娘
        学生
        料理人
    """),
    predicates=lines("""
        本を読みます
        お茶を飲みます
        庭で働きます
        パンを買います
        手紙を書きます
        ご飯を炊きます
        歌を歌います
        学校へ行きます
        家で寝ます
        サッカーをします
        映画を見ます
        りんごを食べます
        家を掃除します
        バスを待ちます
        音楽を聞きます
        窓を開けます
        新しい言葉を学びます
        野菜を売ります
        子供たちを手伝います
        鍵を探します
        冷たい水を飲みます
        ドアを閉めます
        物語を話します
        新聞を買います
    """),
    adverbials=lines("""
        朝
        夕方
        今日
        夜
        毎日
        夏に
        冬に
        昼食の後
        よく
        週末に
        正午に
        ときどき
    """),
    clauses=lines("""
        家は大きいです
        海は静かです
        夜は長いです
        道は空いています
        太陽が輝いています
        雨が降っています
        食事はできています
        窓は開いています
        ドアは閉まっています
        水は冷たいです
        スープは熱いです
        子供たちが遊んでいます
        鳥が鳴いています
        町は美しいです
        店は閉まっています
        電車は遅れています
        仕事は大変です
        時間は短いです
        庭は緑です
        空は青いです
        パンは新しいです
        問題は簡単です
        答えは正しいです
        犬が寝ています
    """),
    things=lines("""
        本
        鍵
        カップ
        かばん
        手紙
        ランプ
        電話
        帽子
        ボール
        ナイフ
        椅子
        瓶
        コート
        新聞
    """),
    places=lines("""
        テーブルの上
        台所
        ベッドの下
        車の中
        家
        事務所
        床の上
        窓のそば
        箱の中
        ドアの後ろ
    """),
    names=(
        "アンナ",
        "マリア",
        "アリ",
        "ファティマ",
        "デビッド",
        "サラ",
        "オマル",
        "イワン",
        "ダニエル",
        "ラウラ",
        "ユスフ",
        "エレナ",
    ),
    templates=table("""
        narrative = {adverb}、{subject}は{predicate}。
        both = {first}。そして、{second}。
        but = {first}。しかし、{second}。
        says = {subject}は言います。「{clause}。」
        located = {thing}は{place}にあります。
        name = 私の名前は{name}です。年齢：{age}。
        today = 今日は{full_date}です。
        meeting = 会議：{full_date}、{time}。
        country = 国：{country}。通貨：{currency}。
        price = 値段：{amount}。
        weather = 今日の天気：{country}、{celsius}。
        weight = {thing}はここにあります。重さ：{kilograms}。
        ago = それは{ago}のことです。
        number = 数{digits}はこう書きます：{words}。
        sum = {first}足す{second}は{total}です。
        list = 国：{countries}。
    """),
    questions=table("""
        iso_date = 日付：{date}。ISO形式：
        number = 数：{words}。数字で書くと：
        greater = どちらの数が大きいですか、{first}と{second}。答え：
        counting = 数えます：{numbers}。次の数：
        currency = 名前：{name}。国：{country}。通貨：
        sum = {first}足す{second}はいくつですか。答え：
        translation = {source_name}：{phrase}。{target_name}：
    """),
    joiner="",
    comma="、",
)
